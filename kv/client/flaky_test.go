package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Over a cluster that loses connections, answers UNCERTAIN, hangs, elects leaders
// and delivers commands late, every counter ends between what was acknowledged
// and that plus what ended in doubt. No INCR and no APPEND counts twice.
func TestExactlyOnceOverAFlakyCluster(t *testing.T) {
	const callers, calls, keys = 16, 150, 4
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0)) // guarded by the cluster's lock
	f := newFake(t, 3)
	leader := 0
	f.owner = func(uint16) *fakeNode { return f.nodes[leader] }
	f.onCommand = func(*fakeNode, []string) action {
		if random.IntN(50) == 0 {
			leader = random.IntN(len(f.nodes))
		}
		if n := len(f.late); n > 0 && random.IntN(2) == 0 {
			i := random.IntN(n)
			arrived := f.late[i]
			f.late = append(f.late[:i:i], f.late[i+1:]...)
			f.apply(arrived)
		}
		if random.IntN(3) > 0 {
			return serve
		}
		return []action{dropBefore, dropAfter, doubtBefore, doubtAfter, down, busy, noMemory, hang, delay}[random.IntN(9)]
	}
	c := f.client(Options{AttemptTimeout: 20 * time.Millisecond, PoolSize: 8})

	var acked, doubtful, definite [2 * keys]atomic.Int64 // of each counter, then of each text
	var all sync.WaitGroup
	for caller := range callers {
		all.Go(func() {
			// Some callers have little patience, so that calls end in doubt.
			patience := time.Minute
			if caller%4 == 0 {
				patience = 30 * time.Millisecond
			}
			for i := range calls {
				k := (caller + i) % (2 * keys)
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				var err error
				if k < keys {
					_, err = c.Incr(ctx, fmt.Sprint("n", k))
				} else {
					_, err = c.Append(ctx, fmt.Sprint("text", k-keys), "x")
				}
				cancel()
				switch {
				case err == nil:
					acked[k].Add(1)
				case errors.Is(err, ErrUncertain):
					doubtful[k].Add(1)
				case errors.Is(err, context.DeadlineExceeded), code(err) == "OOM":
					definite[k].Add(1)
				default:
					t.Errorf("an error that cannot be: %v", err)
				}
			}
		})
	}
	all.Wait()
	f.deliverLate()
	var doubts, refusals int64
	for k := range 2 * keys {
		got := number(f.value(fmt.Sprint("n", k)))
		if k >= keys {
			got = int64(strings.Count(f.value(fmt.Sprint("text", k-keys)), "x"))
		}
		low, high := acked[k].Load(), acked[k].Load()+doubtful[k].Load()
		if got < low || got > high {
			t.Errorf("counter %d is %d: %d were acknowledged, %d ended in doubt, %d definitely failed", k, got, low, high-low, definite[k].Load())
		}
		doubts += high - low
		refusals += definite[k].Load()
	}
	// Without these the test would have shown little.
	if doubts == 0 || refusals == 0 {
		t.Errorf("%d calls ended in doubt and %d were refused: the cluster was not flaky enough", doubts, refusals)
	}
	t.Logf("%d in doubt, %d definitely failed", doubts, refusals)
	made, free := 0, 0
	for _, s := range c.lanes.slots {
		made += s.made
		free += len(s.free)
	}
	if int64(made-free) != doubts {
		t.Errorf("%d lanes were retired after %d calls that ended in doubt", made-free, doubts)
	}
}
