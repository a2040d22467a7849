package group

import (
	"context"
	"time"
)

// every calls step at each full interval of the wall clock, until ctx ends. So the
// loops of all groups of a node wake it together, not each for itself: with many
// groups at rest, waking is most of what they cost.
func every(ctx context.Context, interval time.Duration, step func()) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(interval - time.Duration(time.Now().UnixNano())%interval)
		select {
		case <-timer.C:
			step()
		case <-ctx.Done():
			return
		}
	}
}
