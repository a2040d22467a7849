package simulation

import (
	"context"
	"fmt"
	"runtime/pprof"
	"sync/atomic"
	"time"
)

// stallLimit is how long virtual time may stand still, in real time. It does so
// while anybody waits for a mutex whose holder waits for time to pass, and when
// goroutines wake each other without end: both are defects, of the simulation or
// of raftkv.
const stallLimit = 2 * time.Minute

// watchStall ends the program with the stacks of all goroutines in the record if
// pulse stops. It runs outside of the bubble, until ctx ends.
func (s *sim) watchStall(ctx context.Context) {
	ticker := time.NewTicker(stallLimit)
	defer ticker.Stop()
	for last := int64(-1); ; {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		now := s.pulse.Load()
		if now == last {
			s.journal.mu.Lock()
			fmt.Fprintf(s.journal.file, "virtual time stands still since second %d\n", now)
			pprof.Lookup("goroutine").WriteTo(s.journal.file, 2)
			panic(fmt.Sprintf("seed %d: virtual time stands still; see %s.txt", s.options.Seed, s.journal.base))
		}
		last = now
	}
}

// beat moves pulse, a count of virtual seconds, until ctx ends.
func beat(ctx context.Context, pulse *atomic.Int64) {
	for sleep(ctx, time.Second) == nil {
		pulse.Add(1)
	}
}
