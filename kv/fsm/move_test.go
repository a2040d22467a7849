package fsm

import (
	"flag"
	"testing"

	"raftkv/shard/migrate"
	"raftkv/tests/race"
)

var (
	seeds     = flag.Uint64("seeds", usualSeeds(), "how many worlds TestMigrationsUnderFaults tries")
	firstSeed = flag.Uint64("first-seed", 0, "the seed of the first")
)

func usualSeeds() uint64 {
	if race.Detector {
		return 40
	}
	return 100
}

// Whatever crashes, is lost, comes late or is restored, the slots end up whole on
// one side, and nobody has seen anything wrong meanwhile.
func TestMigrationsUnderFaults(t *testing.T) {
	total := worldStats{steps: map[migrate.Step]int{}}
	finished, aborted := 0, 0
	for n := range *seeds {
		seed := *firstSeed + n
		t.Logf("seed %d", seed)
		w := newWorld(t, seed, []string{"a", "b", "{b}1", "{b}2", "{b}3", "c", "{c}1"})
		for range 30 {
			w.clientCommand()
		}
		w.finish()
		w.verify()
		if w.finished {
			finished++
		} else {
			aborted++
		}
		if w.back() {
			w.finish()
			w.verify()
		}
		// Commands of drivers that died long ago change nothing any more.
		for _, s := range w.groups {
			for len(s.late) > 0 {
				s.comeLate()
			}
		}
		w.verify()
		for step, n := range w.stats.steps {
			total.steps[step] += n
		}
		total.executed += w.stats.executed
		total.refused += w.stats.refused
		total.crashes += w.stats.crashes
		total.late += w.stats.late
		total.restores += w.stats.restores
		total.passed += w.stats.passed
		total.abortedExecs += w.stats.abortedExecs
	}
	t.Logf("%d finished, %d aborted, %+v", finished, aborted, total)
	for _, step := range migrate.Steps {
		if total.steps[step] == 0 && *seeds >= 40 {
			t.Errorf("no driver came to step %s", step)
		}
	}
	for what, n := range map[string]int{"finished": finished, "aborted": aborted, "refused": total.refused, "crashes": total.crashes,
		"late": total.late, "restores": total.restores, "passed": total.passed, "aborted transactions": total.abortedExecs} {
		if n < 4 && *seeds >= 40 {
			t.Errorf("%s: only %d", what, n)
		}
	}
}
