package simulation

import (
	"os"
	"testing"
	"time"
)

// common are broken rules that a few seeds show. What the others break takes a rare
// course of events, up to some thirty seeds: `make sim` (SEEDS set) tries them, too.
// In every run of the tests real processes show what comes of forgotten votes and
// unconfirmed reads (tests/check), and kv/transport tests the gate of commits.
var common = []Break{LyingDisk, NoApplyGate, NoSessions, AckBeforeCommit}

// The simulation finds out what breaks when a rule does not hold.
func TestTeeth(t *testing.T) {
	const tries, each = 100, time.Minute
	rules := common
	if os.Getenv("SEEDS") != "" {
		rules = Breaks
	}
	for _, b := range rules {
		t.Run(string(b), func(t *testing.T) {
			virtual, faults := time.Duration(0), 0
			for seed := uint64(1); seed <= tries; seed++ {
				r := Run(t, Options{Seed: seed, Length: each, Broken: b})
				virtual, faults = virtual+r.Virtual, faults+r.faults()
				if len(r.Violations) > 0 {
					t.Logf("found by seed %d after %v of cluster time and %d faults: %s", seed, virtual.Round(time.Second), faults, r.Violations[0])
					return
				}
			}
			t.Errorf("not found by %d seeds in %v of cluster time under %d faults", tries, virtual, faults)
		})
	}
}
