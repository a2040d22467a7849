package group

import (
	"context"
	"time"

	"raftkv/kv/pulse"
)

// every calls step at full intervals of the wall clock, until ctx ends, each of which
// is as long as interval returns before it. So the loops of all groups of a node wake
// it together, not each for itself: with many groups at rest, waking is most of what
// they cost.
func every(ctx context.Context, p *pulse.Pulse, interval func() time.Duration, step func()) {
	alarm := p.Alarm()
	defer alarm.Stop()
	for {
		alarm.Set(interval())
		select {
		case <-alarm.C:
			step()
		case <-ctx.Done():
			return
		}
	}
}
