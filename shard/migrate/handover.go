package migrate

import (
	"context"
	"errors"
	"time"
)

// errFenced: a driver before this one made the target refuse the attempt, and did
// not come to thaw the slots.
var errFenced = errors.New("the target refuses the attempt")

// handOver makes the target own slots that the source has frozen, in bounded
// time, or else lets the source serve them again. sealed tells that the target
// may have been told to activate already, prepared that it takes this driver's
// parts.
func (d *driver) handOver(ctx context.Context, attempt uint64, sealed, prepared bool) (done bool, err error) {
	if d.frozenAt.IsZero() {
		d.frozenAt = time.Now() // a driver before this one froze them
	}
	limited, cancel := context.WithDeadline(ctx, d.frozenAt.Add(d.FreezeLimit))
	defer cancel()
	err = d.last(limited, attempt, &sealed, prepared)
	switch {
	case err == nil, errors.Is(err, ErrActivated):
		return true, d.finish(ctx)
	case ctx.Err() != nil:
		return false, err // the next driver repairs it
	case errors.Is(err, ErrEnded):
		return false, nil
	case errors.Is(err, ErrOutdated):
		return false, err // the other driver is in charge of the frozen slots
	}
	return false, d.thaw(ctx, attempt, sealed, err)
}

// last brings the last changes and activates. sealed is set before anybody can
// have sealed.
func (d *driver) last(ctx context.Context, attempt uint64, sealed *bool, prepared bool) error {
	if !prepared {
		err := d.install(ctx, attempt)
		if errors.Is(err, ErrOutdated) {
			*sealed = true
			return errFenced
		}
		if err != nil {
			return err
		}
	}
	d.step(StepLast)
	view, err := d.source.View(ctx, d.m.Epoch)
	if err != nil {
		return err
	}
	if !view.Frozen || view.Attempt != attempt {
		return ErrOutdated
	}
	if err := d.send(ctx, view, false); err != nil {
		return err
	}
	d.step(StepSeal)
	if d.canceled() && !*sealed {
		return errCanceled
	}
	*sealed = true
	if err := d.source.Seal(ctx, d.m.Epoch, attempt); err != nil {
		return err
	}
	d.step(StepActivate)
	if d.canceled() {
		// Sealed or not: the fence finds out whether the target has them already.
		return errCanceled
	}
	return d.target.Activate(ctx, d.m.Epoch, attempt, view.Clock, view.Digest)
}

// thaw lets the source serve again because of cause. If the target may own the
// slots, it first commits there that it will not: however long that takes, since
// two owners would be worse than none.
func (d *driver) thaw(ctx context.Context, attempt uint64, sealed bool, cause error) error {
	d.progress.Err = cause
	defer func() { d.progress.Err = nil }()
	if sealed {
		if ended, err := d.fence(ctx, attempt); ended || err != nil {
			return errors.Join(err, because(err, cause))
		}
	}
	d.step(StepThaw)
	err := d.source.Thaw(ctx, d.m.Epoch, attempt, sealed)
	if errors.Is(err, ErrSealed) && !sealed {
		return d.thaw(ctx, attempt, true, cause) // another driver has sealed
	}
	if err != nil && !errors.Is(err, ErrEnded) {
		return errors.Join(cause, err)
	}
	d.frozenAt = time.Time{}
	if errors.Is(cause, errCanceled) {
		return nil
	}
	if errors.Is(cause, ErrMismatch) {
		// It must not happen. The next run copies everything anew.
		return errors.Join(cause, d.wipe(ctx, true))
	}
	d.attempts++
	if d.attempts >= d.MaxAttempts || Final(cause) {
		return cause
	}
	return nil
}

// because adds to an error what it began with.
func because(err, cause error) error {
	if err == nil {
		return nil
	}
	return cause
}

// fence makes the target refuse an attempt for ever. ended tells that the
// migration has ended there: it can be finished, or undone.
func (d *driver) fence(ctx context.Context, attempt uint64) (ended bool, err error) {
	for {
		d.step(StepFence)
		st, err := d.target.Install(ctx, d.m, attempt+1, d.run)
		switch {
		case err == nil:
			d.seq, d.through = st.Chunk, st.Through
			return false, nil
		case errors.Is(err, ErrActivated), errors.Is(err, ErrEnded):
			return true, nil
		case Final(err), !d.pause(ctx):
			return false, err
		}
	}
}
