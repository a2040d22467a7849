package node

import (
	"fmt"
	"slices"
	"testing"

	"github.com/hashicorp/raft"
	"pgregory.net/rapid"

	"raftkv/shard"
	"raftkv/shard/controller"
	"raftkv/shard/plan"
)

// newMap returns the controller's state with n nodes.
func newMap(t interface{ Fatal(...any) }, n int) *controller.State {
	s := controller.New()
	for i := range n {
		putNode(t, s, fmt.Sprintf("n%d", i+1), "1")
	}
	return s
}

func putNode(t interface{ Fatal(...any) }, s *controller.State, id, incarnation string) {
	if _, err := s.Apply(controller.PutNode(shard.Node{ID: id, Incarnation: incarnation}), 0); err != nil {
		t.Fatal(err)
	}
}

// settleMap carries out decisions until there are none, as if every group had a
// leader and every new replica caught up at once.
func settleMap(t interface {
	Fatal(...any)
	Fatalf(string, ...any)
}, s *controller.State, begin initial, dead ...string) {
	for range 10000 {
		now := &bulletin{Leaders: make(map[uint32]leading), Dead: dead}
		for _, g := range s.Map().Groups {
			if len(g.Replicas) > 0 && without(&g, dead) >= len(g.Replicas)/2+1 {
				now.Leaders[g.ID] = leading{Node: g.Replicas[0].Node}
			}
			for _, r := range g.Replicas {
				if !r.Voter && g.ID != shard.Controller && !slices.Contains(dead, r.Node) {
					if _, err := s.Apply(controller.PromoteReplica(g.ID, r.ID), 0); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		if !decideOnce(t, s, now, begin) {
			return
		}
	}
	t.Fatal("the decisions do not end")
}

// decideOnce carries out the next decision, if there is one.
func decideOnce(t interface {
	Fatal(...any)
	Fatalf(string, ...any)
}, s *controller.State, now *bulletin, begin initial) bool {
	m := s.Map()
	change, reason := settleFounding(m, now, now.Dead)
	if change == nil {
		a := beginCluster(m, begin, now.Dead)
		if a == nil {
			return false
		}
		reason = a.Reason
		switch a.Kind {
		case plan.AddGroup:
			change = controller.AddGroup(a.Nodes)
		case plan.AssignSlots:
			change = controller.AssignSlots(a.Assign[0].Group, a.Assign[0].Slots)
		case plan.AddReplica:
			change = controller.AddReplica(a.Group, a.Node)
		}
	}
	if reason == "" {
		t.Fatal("a decision without a reason")
	}
	if _, err := s.Apply(change, 0); err != nil {
		t.Fatalf("%s: %v", reason, err)
	}
	return true
}

// Any new cluster comes to have all slots owned, evenly, and replicas and leaders
// spread over its nodes; and then nothing more is decided.
func TestBeginning(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes, groups := rapid.IntRange(1, 9).Draw(t, "nodes"), rapid.IntRange(0, 40).Draw(t, "groups")
		s := newMap(t, nodes)
		settleMap(t, s, initial{Groups: groups, Nodes: nodes})
		m := s.Map()
		if groups == 0 {
			groups = nodes
		}
		if got := len(dataGroups(m)); got != groups {
			t.Fatalf("%d groups, want %d", got, groups)
		}
		leads, has := make(map[string]int), make(map[string]int)
		for _, g := range dataGroups(m) {
			slots := 0
			for _, r := range m.SlotsOf(g.ID) {
				slots += r.Len()
			}
			if slots < shard.Slots/groups || slots > shard.Slots/groups+1 || !g.Founded || len(g.Replicas) != min(nodes, replicasWanted) {
				t.Fatalf("group %+v has %d slots", g, slots)
			}
			leads[nodeOf(raft.ServerID(preferredLeader(m, g.ID)))]++
			for _, r := range g.Replicas {
				has[r.Node]++
			}
		}
		if slices.Contains(m.Owner[:], shard.Controller) {
			t.Fatal("some slots have no owner")
		}
		for what, counts := range map[string]map[string]int{"leads": leads, "replicas": has} {
			least, most := 1<<30, 0
			for _, n := range m.Nodes {
				least, most = min(least, counts[n.ID]), max(most, counts[n.ID])
			}
			if limit := map[string]int{"leads": 1, "replicas": replicasWanted}[what]; most-least > limit {
				t.Fatalf("%s: %v", what, counts)
			}
		}
	})
}

// A cluster waits for its nodes before it begins.
func TestBeginningWaitsForNodes(t *testing.T) {
	s := newMap(t, 2)
	settleMap(t, s, initial{Nodes: 3})
	if n := len(dataGroups(s.Map())); n != 0 {
		t.Errorf("with two nodes of three there are %d groups", n)
	}
	putNode(t, s, "n3", "1")
	settleMap(t, s, initial{Nodes: 3})
	if n := len(dataGroups(s.Map())); n != 3 {
		t.Errorf("with three nodes there are %d groups", n)
	}
}

// A first group that lost a replica before it had a leader is given up, and another
// one takes its place.
func TestGroupBeginsAnew(t *testing.T) {
	s := newMap(t, 3)
	begin := initial{Groups: 1, Nodes: 3}
	decideOnce(t, s, new(bulletin), begin) // the balancer is on
	decideOnce(t, s, new(bulletin), begin) // a group
	putNode(t, s, "n3", "2")
	decideOnce(t, s, &bulletin{Leaders: map[uint32]leading{1: {Node: "n1"}}}, begin)
	settleMap(t, s, begin)
	if m := s.Map(); m.Group(1) != nil || m.Group(2) == nil || len(m.Group(2).Replicas) != 3 || m.Owner[0] != 2 {
		t.Errorf("groups are %+v", m.Groups)
	}
}

// First groups whose nodes have gone before they were founded begin anew on others,
// and the parts of the slots are the same as if nothing had been.
func TestGroupsBeginWithoutNodesThatAreGone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newMap(t, 5)
		begin := initial{Groups: rapid.IntRange(1, 8).Draw(t, "groups"), Nodes: 5}
		for range begin.Groups + 1 {
			decideOnce(t, s, new(bulletin), begin)
		}
		for _, g := range dataGroups(s.Map()) {
			if rapid.Bool().Draw(t, "founded") {
				decideOnce(t, s, &bulletin{Leaders: map[uint32]leading{g.ID: {Node: g.Replicas[0].Node}}}, begin)
			}
		}
		for range rapid.IntRange(0, begin.Groups).Draw(t, "decisions") { // some have their slots
			decideOnce(t, s, new(bulletin), begin)
		}
		nodes := rapid.Permutation([]string{"n1", "n2", "n3", "n4", "n5"}).Draw(t, "nodes")
		gone := nodes[:2]
		for range 100 {
			now := &bulletin{Leaders: make(map[uint32]leading), Dead: gone}
			for _, g := range dataGroups(s.Map()) {
				if without(&g, gone) >= 2 {
					now.Leaders[g.ID] = leading{Node: g.Replicas[0].Node}
				}
			}
			if !decideOnce(t, s, now, begin) {
				break
			}
		}
		m := s.Map()
		groups := dataGroups(m)
		if len(groups) != begin.Groups {
			t.Fatalf("%d groups", len(groups))
		}
		for _, g := range groups {
			slots := m.SlotsOf(g.ID)
			if !g.Founded || len(slots) != 1 || slots[0].Len() < shard.Slots/begin.Groups || slots[0].Len() > shard.Slots/begin.Groups+1 {
				t.Fatalf("group %+v has %v", g, slots)
			}
		}
	})
}

// Nothing is given up for a node that may come back, nor what others can found.
func TestGroupThatCanBeFoundedIsKept(t *testing.T) {
	s := newMap(t, 5)
	begin := initial{Groups: 1, Nodes: 5}
	decideOnce(t, s, new(bulletin), begin)
	decideOnce(t, s, new(bulletin), begin)
	on := s.Map().Group(1).Replicas
	for _, gone := range [][]string{nil, {on[0].Node}, {on[2].Node}} {
		if change, reason := settleFounding(s.Map(), new(bulletin), gone); change != nil {
			t.Errorf("with %v gone: %s, because %s", gone, change, reason)
		}
	}
	gone := []string{on[0].Node, on[1].Node}
	if change, reason := settleFounding(s.Map(), new(bulletin), gone); change == nil || reason == "" {
		t.Errorf("with %v gone nothing is decided", gone)
	}
	if change, _ := settleFounding(s.Map(), &bulletin{Leaders: map[uint32]leading{1: {Node: on[0].Node}}}, gone); string(change) != string(controller.FoundGroup(1)) {
		t.Errorf("it was founded before they went, but: %s", change)
	}
}
