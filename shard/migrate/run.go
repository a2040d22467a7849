package migrate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"raftkv/shard"
)

// driver carries one migration out. It is used by one goroutine, and remembers
// nothing that the groups' logs do not know but what it has counted.
type driver struct {
	Options
	m      shard.Migration
	source Source
	target Target
	record Record

	run      uint64
	seq      uint64 // of the last part that the target has taken
	through  uint64
	attempts int
	unpaced  int // bytes sent since Pace was called
	progress Progress
	frozenAt time.Time
}

// Run does what is left to do of a migration, and returns when it has ended on
// both sides and in the record, one way or the other. After an error it may be
// called again, by this process or another: only while ctx has ended, or the target
// cannot be reached and may own the slots, are they left frozen. ErrOutdated says
// that another driver is at work.
func Run(ctx context.Context, m shard.Migration, source Source, target Target, record Record, options Options) error {
	d := &driver{Options: options.withDefaults(), m: m, source: source, target: target, record: record}
	d.run = d.Run()
	for {
		done, err := d.next(ctx)
		if err != nil {
			return fmt.Errorf("migration %d of slots %s from group %d to group %d, step %s: %w",
				m.Epoch, shard.FormatRanges(m.Slots), m.From, m.To, d.progress.Step, err)
		}
		if done {
			d.step(StepDone)
			return nil
		}
	}
}

// next looks at both sides and does what follows.
func (d *driver) next(ctx context.Context) (done bool, err error) {
	from, err := d.source.Status(ctx, d.m.Epoch)
	if err != nil {
		return false, err
	}
	d.progress.Attempt = from.Attempt
	switch {
	case from.Phase == Deleting, from.Phase == Deleted, from.Phase == Sealed && d.record.Ended(d.m.Epoch):
		// The target has the slots: what is undone is canceled here before its record
		// ends. So it is not asked, for it may have given them away and gone since.
		return true, d.finish(ctx)
	case d.canceled() && from.Phase.revocable():
		// Nor can it be in the way of a cancel: the source must not remember changes for
		// as long as the target does not answer.
		return d.undo(ctx, from.Phase)
	}
	to, err := d.target.Status(ctx, d.m.Epoch)
	if err != nil && from.Phase != Frozen {
		return false, err
	}
	switch {
	case err != nil: // the target does not answer, and what is frozen must not wait
		return false, d.thaw(ctx, from.Attempt, false, err)
	case to.Phase == Activated:
		return true, d.finish(ctx)
	case to.Phase == Forgotten && (from.Phase == Sealed || from.Phase == Forgotten):
		return false, fmt.Errorf("%w: it is %q in the source and %q in the target; look at who serves its slots and end its record", ErrRefused, from.Phase, to.Phase)
	case to.Phase == Forgotten, from.Phase == Forgotten, to.Phase == Aborting, to.Phase == Aborted, from.Phase == Canceled, d.canceled():
		return d.undo(ctx, from.Phase)
	case from.Phase == Unknown:
		d.step(StepBegin)
		return false, d.source.Begin(ctx, d.m)
	case from.Phase == Exporting:
		return d.copy(ctx, from.Attempt)
	case from.Phase == Frozen, from.Phase == Sealed:
		return d.handOver(ctx, from.Attempt, from.Phase == Sealed, false)
	}
	return false, fmt.Errorf("%w: it is %q in the source and %q in the target", ErrRefused, from.Phase, to.Phase)
}

// step tells that a step begins.
func (d *driver) step(s Step) {
	d.Before(s)
	d.progress.Step = s
	if !d.frozenAt.IsZero() {
		d.progress.Frozen = time.Since(d.frozenAt)
	}
	d.Progress(d.progress)
}

func (d *driver) canceled() bool { return d.m.Canceled || d.record.Canceled(d.m.Epoch) }

// finish ends a migration whose slots the target serves. The map changes first,
// so that those who are refused by the source learn the way.
func (d *driver) finish(ctx context.Context) error {
	d.step(StepFinish)
	d.frozenAt = time.Time{}
	if err := d.record.Finish(ctx, d.m.Epoch); err != nil {
		return err
	}
	for {
		d.step(StepDelete)
		st, err := d.source.Delete(ctx, d.m.Epoch)
		if err != nil || st.Phase.Ended() {
			return err
		}
		d.Pace(0)
	}
}

// undo ends a migration that was canceled, unless the target turns out to have
// the slots: then it is not done. from is what it is in the source.
func (d *driver) undo(ctx context.Context, from Phase) (done bool, err error) {
	d.step(StepCancel)
	err = d.source.Cancel(ctx, d.m.Epoch, false)
	if from == Forgotten && errors.Is(err, ErrEnded) {
		err = nil // it was canceled, or never began: else the target would have the slots, or have forgotten it too
	}
	sealed := errors.Is(err, ErrSealed)
	if err != nil && !sealed {
		return false, err
	}
	for phase := Aborting; phase == Aborting; {
		d.step(StepAbort)
		st, err := d.target.Abort(ctx, d.m.Epoch)
		switch {
		case errors.Is(err, ErrActivated):
			return false, nil
		case errors.Is(err, ErrEnded) && !sealed:
			// The target has forgotten it. It never had the slots, for the source has kept them.
		case err != nil:
			return false, err
		}
		// From the first entry on the target refuses to activate: the source need not
		// wait until all is gone.
		if sealed {
			d.step(StepCancel)
			if err := d.source.Cancel(ctx, d.m.Epoch, true); err != nil {
				return false, err
			}
			sealed = false
		}
		phase = st.Phase
	}
	d.frozenAt = time.Time{}
	d.step(StepForget)
	return true, d.record.Abort(ctx, d.m.Epoch)
}
