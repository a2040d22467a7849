package group

import (
	"testing"
	"testing/synctest"
	"time"
)

// Whatever a block takes, writing has one part in four of the time; small ones add
// up, and one that met something else is no reason to rest for long.
func TestPaceLeavesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pace := newPace()
		for _, x := range []struct {
			what       string
			work, rest time.Duration
		}{
			{"a block", 2 * time.Millisecond, 6 * time.Millisecond},
			{"one on a busy machine", 20 * time.Millisecond, 60 * time.Millisecond},
			{"a small one", 600 * time.Microsecond, 0},
			{"a second small one", 600 * time.Microsecond, 3600 * time.Microsecond},
			{"one that met a pause", time.Minute, longestRest},
			{"a block after it", 2 * time.Millisecond, 6 * time.Millisecond},
		} {
			time.Sleep(x.work) // of the virtual clock: it is what the block takes
			start := time.Now()
			pace()
			if rest := time.Since(start); rest != x.rest {
				t.Errorf("%s of %v: rested %v, want %v", x.what, x.work, rest, x.rest)
			}
		}
	})
}
