package migrate

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// errBehind: rounds of changes do not become small.
var errBehind = errors.New("clients write to the slots faster than they can be copied")

// errCanceled ends a round early.
var errCanceled = errors.New("the migration was canceled")

// copy brings the target up to the source while clients go on, and hands over.
func (d *driver) copy(ctx context.Context, attempt uint64) (done bool, err error) {
	// What is still under way of an earlier try must not be taken for a part of this one,
	// and parts are numbered by run.
	d.run = d.Run()
	if err := d.install(ctx, attempt); err != nil {
		return false, passing(err)
	}
	for d.progress.Round = 1; ; d.progress.Round++ {
		d.step(StepCopy)
		start, before := time.Now(), d.progress.Bytes
		view, err := d.source.View(ctx, d.m.Epoch)
		if err != nil {
			return false, passing(err)
		}
		if view.Frozen || view.Attempt != attempt {
			return false, nil // a command of an earlier driver came late
		}
		if err := d.send(ctx, view, true); err != nil {
			return false, passing(err)
		}
		took := time.Since(start)
		if d.progress.Bytes-before <= d.SmallBytes || took <= d.SmallTime {
			break
		}
		if d.progress.Round >= d.MaxRounds {
			if took < d.FreezeLimit {
				break
			}
			return false, errBehind
		}
	}
	if d.canceled() {
		return false, nil
	}
	d.frozenAt = time.Now()
	d.step(StepFreeze)
	if err := d.source.Freeze(ctx, d.m.Epoch, attempt); err != nil {
		if Final(err) {
			d.frozenAt = time.Time{}
			return false, err
		}
		// It may be frozen: the next look at it tells.
		if d.attempts++; d.attempts >= d.MaxAttempts || !d.pause(ctx) {
			return false, err
		}
		return false, nil
	}
	return d.handOver(ctx, attempt, false, true)
}

// passing lets the driver look again at both sides after an error that says
// that the migration has ended in one of them.
func passing(err error) error {
	if errors.Is(err, errCanceled) || errors.Is(err, ErrActivated) || errors.Is(err, ErrEnded) {
		return nil
	}
	return err
}

// install makes the target take this driver's parts for this attempt.
func (d *driver) install(ctx context.Context, attempt uint64) error {
	d.step(StepInstall)
	st, err := d.target.Install(ctx, d.m, attempt, d.run)
	if err != nil {
		return err
	}
	d.progress.Attempt = attempt
	d.seq, d.through = st.Chunk, st.Through
	return nil
}

// send brings the target from what it has to what view shows. A part is tried
// again if its outcome is unknown: it has a number.
func (d *driver) send(ctx context.Context, view *View, served bool) error {
	if view.Index < d.through {
		return fmt.Errorf("this replica of the source is at index %d, the target at %d of its log", view.Index, d.through)
	}
	var held *Part // until it is known whether it is the last
	err := view.Parts(d.through, func(p Part) error {
		if held != nil {
			if err := d.part(ctx, *held, 0, served); err != nil {
				return err
			}
		}
		held = &p
		if served && d.canceled() {
			return errCanceled
		}
		return ctx.Err()
	})
	switch {
	case err != nil:
		return err
	case held == nil && !served:
		return nil // nothing has changed, and nobody will ask
	case held == nil:
		held = &Part{}
	case held.Wipe:
		if err := d.part(ctx, *held, 0, served); err != nil {
			return err
		}
		held = &Part{}
	}
	if err := d.part(ctx, *held, view.Index, served); err != nil {
		return err
	}
	d.through = view.Index
	return nil
}

func (d *driver) part(ctx context.Context, p Part, through uint64, served bool) error {
	if p.Wipe {
		return d.wipe(ctx, false)
	}
	if served && d.unpaced > 0 {
		d.Pace(d.unpaced)
		d.unpaced = 0
	}
	d.step(StepChunk)
	err := d.try(ctx, func() error {
		return d.target.Chunk(ctx, d.m.Epoch, d.run, d.seq+1, through, p.Bytes)
	})
	if err != nil {
		return err
	}
	d.seq++
	d.progress.Records += p.Records
	d.progress.Bytes += int64(len(p.Bytes))
	d.unpaced += len(p.Bytes)
	return nil
}

// wipe removes what the target has of the slots.
func (d *driver) wipe(ctx context.Context, all bool) error {
	for {
		d.step(StepWipe)
		var st Status
		err := d.try(ctx, func() (err error) {
			st, err = d.target.Wipe(ctx, d.m.Epoch, d.run, d.seq+1, all)
			return err
		})
		if err != nil {
			return err
		}
		if st.Run != d.run {
			return ErrOutdated
		}
		if st.Chunk > d.seq {
			d.seq = st.Chunk
			// The target counts deleted keys as memory too, and so may take the bound of an
			// entry for the end of the keys.
			if st.Keys == 0 && (!all || st.Sessions == 0) {
				return nil
			}
		}
	}
}

// try does an idempotent operation again while its outcome is unknown.
func (d *driver) try(ctx context.Context, do func() error) (err error) {
	for n := range d.Tries {
		if n > 0 && !d.pause(ctx) {
			return err
		}
		if err = do(); err == nil || Final(err) {
			return err
		}
	}
	return err
}

// pause waits before another try; false if ctx has ended.
func (d *driver) pause(ctx context.Context) bool {
	timer := time.NewTimer(d.Backoff)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
