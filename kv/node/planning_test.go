package node

import (
	"testing"
	"testing/synctest"
	"time"

	"raftkv/shard"
)

// At rest, after a plan that found nothing to do, the controller plans seldom; and as
// often as ever when anything has changed, when there is load, or when there was
// something to do.
func TestPlansSeldomAtRest(t *testing.T) {
	basis := planBasis{term: 2, m: new(shard.Map), now: new(bulletin)}
	for _, x := range []struct {
		what   string
		change func(*planBasis)
		rest   bool
		acted  bool
		want   time.Duration
	}{
		{what: "at rest", rest: true, want: restInterval},
		{what: "under load", want: planInterval},
		{what: "after an action", rest: true, acted: true, want: planInterval},
		{what: "with another map", change: func(b *planBasis) { b.m = new(shard.Map) }, rest: true, want: planInterval},
		{what: "with other leaders", change: func(b *planBasis) { b.now = new(bulletin) }, rest: true, want: planInterval},
		{what: "in another term", change: func(b *planBasis) { b.term++ }, rest: true, want: planInterval},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := new(planning)
			if !p.due(basis, x.rest) {
				t.Fatal("the first plan is not due")
			}
			p.acted = x.acted
			next := basis
			if x.change != nil {
				x.change(&next)
			}
			began := time.Now()
			for !p.due(next, x.rest) {
				time.Sleep(10 * time.Millisecond)
			}
			if got := time.Since(began); got != x.want {
				t.Errorf("%s: the next plan came after %v, want %v", x.what, got, x.want)
			}
		})
	}
}

// A board is at rest when all leaders have told, and next to nothing.
func TestBoardAtRest(t *testing.T) {
	m := &shard.Map{Groups: []shard.Group{{ID: shard.Controller}, {ID: 1}, {ID: 2}}}
	for _, x := range []struct {
		what  string
		loads map[uint32]told
		want  bool
	}{
		{"nobody has told", nil, false},
		{"one has told", map[uint32]told{1: {}}, false},
		{"both have told", map[uint32]told{1: {}, 2: {slots: []slotLoad{{Slot: 7, Keys: 5}}}}, true},
		{"what is left of some load", map[uint32]told{1: {slots: []slotLoad{{Reads: 0.1}}}, 2: {slots: []slotLoad{{Writes: 0.2}}}}, true},
		{"load", map[uint32]told{1: {slots: []slotLoad{{Reads: 0.5}}}, 2: {slots: []slotLoad{{Writes: 0.5}}}}, false},
	} {
		if got := (&board{loads: x.loads}).atRest(m); got != x.want {
			t.Errorf("%s: at rest is %v", x.what, got)
		}
	}
}
