package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// busyMeter measures how long the machine has kept this process, and so others of its
// priority, from running: a cluster whose nodes get no time holds no election.
type busyMeter struct {
	longest atomic.Int64 // ns
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// beat is how often the meter wants to run.
const beat = 20 * time.Millisecond

// tooBusy is how long nodes must not be kept from running for their timing to be
// judged: a follower of the profile local waits about as long for its leader.
const tooBusy = 200 * time.Millisecond

// busyText begins the reason of a cell that could not be judged for that.
const busyText = "the machine is too busy"

// newBusyMeter starts a meter that runs until stop.
func newBusyMeter() *busyMeter {
	ctx, cancel := context.WithCancel(context.Background())
	b := &busyMeter{cancel: cancel}
	b.running.Go(func() {
		ticker := time.NewTicker(beat)
		defer ticker.Stop()
		for last := time.Now(); ; {
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
			now := time.Now()
			b.longest.Store(max(b.longest.Load(), int64(now.Sub(last)-beat)))
			last = now
		}
	})
	return b
}

// stop ends the meter and returns the longest time.
func (b *busyMeter) stop() time.Duration {
	b.cancel()
	b.running.Wait()
	return time.Duration(b.longest.Load())
}
