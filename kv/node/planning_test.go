package node

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"raftkv/shard"
	"raftkv/shard/controller"
	"raftkv/shard/heat"
	"raftkv/shard/plan"
	"raftkv/tests/cluster"
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

// However long a migration takes, the slot's rest and its load of before count from
// when it has come: then its new leader begins to count at nothing.
func TestLongMoveIsRecentWhenItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &planning{recent: plan.Recent{Slots: make(map[uint16]time.Time)}, before: make(map[uint16]heat.SlotHeat)}
		slots := []shard.Range{{7, 7}}
		p.remember(plan.Action{Kind: plan.MoveSlots, Slots: slots}, []heat.SlotHeat{{Slot: 7, Reads: 1000}})
		m := &shard.Map{Migrations: []shard.Migration{{Epoch: 9, Slots: slots, From: 1, To: 2}}}
		for range 20 {
			time.Sleep(planInterval)
			p.follow(m, []heat.SlotHeat{{Slot: 7, Reads: 2000}, {Slot: 8, Reads: 1}})
		}
		if got := time.Since(p.recent.Slots[7]); got != 0 {
			t.Errorf("it is on its way, and has been moved %v ago", got)
		}
		for range int(settleTime / planInterval) {
			if got := p.steady([]heat.SlotHeat{{Slot: 7, Reads: 130}}); got[0].Reads != 2000 {
				t.Fatalf("%v after its end: %v", time.Since(p.recent.Slots[7]), got)
			}
			p.follow(new(shard.Map), nil)
			time.Sleep(planInterval)
		}
		if got := p.steady([]heat.SlotHeat{{Slot: 7, Reads: 1500}}); got[0].Reads != 1500 {
			t.Errorf("what its leader has counted since is not believed: %v", got)
		}
	})
}

// A plan is for the map that it was made from, and its actions for what it makes of
// that itself: after any other change nothing of it is carried out.
func TestPlanIsForItsMap(t *testing.T) {
	c := newNodes(t)
	n := c.open(1, t.TempDir())
	c.do(n, "SET", "a", "1")
	two := []plan.Action{
		{Kind: plan.AddGroup, Nodes: []string{"n1"}, Reason: "a test"},
		{Kind: plan.AddGroup, Nodes: []string{"n1"}, Reason: "a test"},
	}
	groups := func() int { return len(dataGroups(n.shardMap())) }
	in := n.planInput(n.group(shard.Controller))
	c.change(n, controller.SetBalance(!in.Map.Balance))
	if n.carryOutPlan(t.Context(), in, two); groups() != 1 {
		t.Errorf("the map has changed since, and there are %d groups", groups())
	}
	cluster.Eventually(t, "two groups by one plan", func() error {
		before := groups()
		n.carryOutPlan(t.Context(), n.planInput(n.group(shard.Controller)), two)
		if got := groups() - before; got != 2 {
			return fmt.Errorf("%d groups were added", got) // the node has changed the map itself
		}
		return nil
	})
}
