package moves

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"raftkv/tests/cluster"
	"raftkv/tests/linearizability"
)

// Clients whose keys move from group to group all the time, while nodes die and
// stop, see one history that could have happened one operation after the other.
func TestHistoryWithMovingSlots(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	c := still(t)
	h := linearizability.NewHistory()
	stop := linearizability.Work(c, h, keysIn(moving, "key-", 6), seed)
	var moves int
	var stopped atomic.Bool
	var mover sync.WaitGroup
	mover.Go(func() {
		for !stopped.Load() {
			if moveOn(c, &stopped) {
				moves++
			}
		}
	})
	linearizability.BreakThings(t, c, seed, linearizability.Duration(t, 20*time.Second))
	stopped.Store(true)
	mover.Wait()
	stop()
	cluster.Eventually(t, "the end of all migrations", func() error {
		m, err := mapOf(c)
		if err != nil {
			return err
		}
		return settled(m, m.Owner[moving.From()])
	})
	t.Logf("%d moves ended", moves)
	if moves < 5 {
		t.Errorf("only %d moves: this proves little", moves)
	}
	h.Judge(t, seed)
}

// moveOn moves the slots to the next group, and tells whether it has seen them
// arrive before it was stopped.
func moveOn(c *cluster.Cluster, stopped *atomic.Bool) bool {
	to := uint32(0)
	for ; !stopped.Load(); time.Sleep(10 * time.Millisecond) {
		m, err := mapOf(c)
		switch {
		case err != nil, len(m.Migrations) > 0:
			continue
		case to != 0 && settled(m, to) == nil:
			return true
		case to == 0:
			to = m.Owner[moving.From()]%3 + 1
		}
		move(c, to) // an error: nobody leads now, or it is on its way
	}
	return false
}
