package group

import (
	"testing"
	"time"
)

func TestGatherWaitsForThoseWhoWereAnswered(t *testing.T) {
	g := new(gather)
	if want, _ := g.next(3); want != 0 {
		t.Errorf("the first round waits for %d", want)
	}
	g.finished(8, 8, 2*time.Millisecond)
	want, limit := g.next(8)
	if want != 16 || limit != time.Millisecond {
		t.Errorf("waits for %d in %v, want 16 in 1ms", want, limit)
	}
	if want, _ := g.next(16); want != 0 {
		t.Error("waits although all are there")
	}
	if want, _ := g.next(0); want != 0 {
		t.Error("waits although nobody does")
	}
	g.finished(16, 0, time.Minute)
	if _, limit := g.next(1); limit != gatherMost {
		t.Errorf("waits up to %v", limit)
	}
}

// Callers who do not come back cost less and less.
func TestGatherGivesUp(t *testing.T) {
	g := new(gather)
	waits := 0
	for range 10000 {
		g.finished(4, 4, time.Millisecond)
		if want, _ := g.next(4); want != 0 {
			waits++
			g.gathered(false)
		}
	}
	if waits < 5 || waits > 25 {
		t.Errorf("%d of 10000 rounds waited in vain", waits)
	}
	// One that comes back ends the caution.
	g.skip = 0
	g.gathered(true)
	g.finished(4, 4, time.Millisecond)
	g.gathered(false)
	if g.skip > minPenalty {
		t.Errorf("skips %d rounds after a single failure", g.skip)
	}
}
