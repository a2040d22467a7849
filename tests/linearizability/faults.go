package linearizability

import (
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"raftkv/tests/cluster"
)

// Duration of a run: usual, unless RAFTKV_TEST_DURATION makes it longer.
func Duration(t testing.TB, usual time.Duration) time.Duration {
	if text := os.Getenv("RAFTKV_TEST_DURATION"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	return usual
}

// BreakThings kills and pauses nodes for a while, a minority or all of them, and
// heals the cluster. seed says what happens when.
func BreakThings(t testing.TB, c *cluster.Cluster, seed uint64, total time.Duration) {
	t.Helper()
	rnd, faults := rand.New(rand.NewPCG(seed, workers)), 0
	ids := c.IDs()
	for end := time.Now().Add(total); time.Now().Before(end); faults++ {
		pause := func(most time.Duration) { time.Sleep(time.Duration(rnd.Int64N(int64(most)))) } // the fault's length, not a wait for a condition
		pause(1500 * time.Millisecond)
		id := ids[rnd.IntN(len(ids))]
		if rnd.IntN(2) == 0 {
			id = c.Leader()
		}
		switch rnd.IntN(6) {
		case 0:
			c.KillAll()
		case 1, 2:
			must(t, c.Kill(id))
			pause(time.Second)
		default:
			must(t, c.Pause(id))
			pause(1500 * time.Millisecond)
			must(t, c.Resume(id))
		}
		c.StartAll()
	}
	t.Logf("%d faults", faults)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
