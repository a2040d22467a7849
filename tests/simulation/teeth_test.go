package simulation

import (
	"os"
	"testing"
	"time"
)

// quick are broken rules that a seed or two show.
var quick = map[Break]bool{LyingDisk: true, AckBeforeCommit: true}

// The simulation finds out what breaks when a rule does not hold. Rules whose
// violation takes a rare course of events are tried by `make sim` alone (SEEDS set).
func TestTeeth(t *testing.T) {
	const tries = 40
	for _, b := range Breaks {
		t.Run(string(b), func(t *testing.T) {
			if os.Getenv("SEEDS") == "" && !quick[b] {
				t.Skip("it takes many seeds: make sim")
			}
			each := time.Minute
			if os.Getenv("SEEDS") == "" {
				each = 30 * time.Second
			}
			virtual, faults := time.Duration(0), 0
			for seed := uint64(1); seed <= tries; seed++ {
				r := Run(t, Options{Seed: seed, Length: each, Broken: b})
				virtual, faults = virtual+r.Virtual, faults+r.faults()
				if len(r.Violations) > 0 {
					t.Logf("found by seed %d after %v of cluster time and %d faults: %s", seed, virtual.Round(time.Second), faults, r.Violations[0])
					os.Remove(r.Record + ".txt")
					os.Remove(r.Record + ".jsonl")
					os.Remove(r.Record + ".html")
					return
				}
			}
			t.Errorf("not found by %d seeds in %v of cluster time under %d faults", tries, virtual, faults)
		})
	}
}
