package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	"raftkv/shard"
)

// What two transfers can even out is not copied.
func TestLeadersMoveBeforeSlots(t *testing.T) {
	s := rested(t, 3, Options{Groups: 6}, nil)
	var hot []uint32 // both led by one node
	for id, leader := range s.leaders {
		if leader == "n2" && id != 0 {
			hot = append(hot, id)
		}
	}
	if len(hot) != 2 {
		t.Fatalf("n2 leads %v", hot)
	}
	moves := s.moves
	s.heat = slotHeat(func(slot int) float64 {
		if slices.Contains(hot, s.m.Owner[slot]) {
			return 1
		}
		return 0.4
	})
	if got := Plan(s.input()); len(got) == 0 || got[0].Kind != TransferLeader || !strings.Contains(got[0].Reason, "n2 serves 1.7 x a node's share") {
		t.Fatalf("%v", got)
	}
	s.rest(200)
	if f := s.factor(); f > 1.2 {
		t.Errorf("busiest node at %.2f x the mean", f)
	}
	if s.moves > moves+1 { // 1+0.4, 1+0.4 and 0.4+0.4 of 4.6 are not quite even
		t.Errorf("%d moves of slots", s.moves-moves)
	}
}

// A node that leads nothing gets the group that it can bear, and then slots.
func TestNodeWithoutALeadGetsALightGroup(t *testing.T) {
	s := rested(t, 2, Options{}, nil)
	for slot := range s.m.Owner {
		s.m.Owner[slot] = 1
	}
	s.leaders[1], s.leaders[2] = "n1", "n1"
	s.nodes["n1"] = Node{Weight: 2}
	s.heat = slotHeat(func(int) float64 { return 2 })
	if got := Plan(s.input()); len(got) != 1 || got[0].Kind != TransferLeader || got[0].Group != 2 {
		t.Fatalf("%v", got)
	}
	s.rest(200)
	if byNode, total := s.loads(); byNode["n1"]/2 > 1.2*total/3 {
		t.Errorf("%v", byNode)
	}
}

// Nor does it matter that one node weighs much more: what it gives away is too much
// for the other, but only until slots follow.
func TestNodeWithoutALeadGetsAGroupWhateverItsWeight(t *testing.T) {
	s := rested(t, 2, Options{}, nil)
	s.leaders[1], s.leaders[2] = "n1", "n1"
	s.nodes["n1"] = Node{Weight: 4}
	s.heat = slotHeat(func(int) float64 { return 0.2 })
	s.rest(200)
	if byNode, total := s.loads(); byNode["n1"]/4 > 1.2*total/5 || byNode["n2"] == 0 {
		t.Errorf("%v; %q", byNode, s.notes)
	}
}

// A node that holds nothing can lead nothing and gets no load, so it gets a replica
// of one that holds two, however little its weight is.
func TestEmptyNodeGetsAReplicaWhateverItsWeight(t *testing.T) {
	for _, weight := range []float64{1, 2, 4} {
		s := rested(t, 1, Options{Replicas: 1, Groups: 2}, nil)
		s.nodes["n1"] = Node{Weight: weight}
		s.join()
		s.heat = slotHeat(func(int) float64 { return 0.1 })
		s.rest(200)
		if byNode, total := s.loads(); byNode["n1"]/weight > 1.2*total/(weight+1) || byNode["n2"] == 0 {
			t.Errorf("weight %v: %v; %q", weight, byNode, s.notes)
		}
	}
}

// One hot slot, and as little load that a node is busy or not depending on how many
// groups it leads beside that slot's. By number it should lead another one, which
// must not be taken from it again by load, and so on for ever, though rates vary.
func TestLeadersRestWhereLoadIsHardlyEnoughToJudgeBy(t *testing.T) {
	for _, hot := range []float64{61, 75} {
		s := rested(t, 4, Options{}, slotHeat(func(slot int) float64 {
			if slot == 0 {
				return hot
			}
			return 75.0 / shard.Slots
		}))
		for i, drain := 0, 2; drain > 0; i++ { // so two nodes lead four groups
			if n := &s.m.Nodes[i]; n.ID != s.leaders[s.m.Owner[0]] {
				n.State = shard.Draining
				drain--
			}
		}
		s.rest(100)
		s.noise = 0.05
		transfers := 0
		for range 40 {
			transfers += count(s.round(), TransferLeader)
		}
		if transfers > 1 { // what luck left just inside the bound may be bettered once
			t.Errorf("%g ops/s: %d transfers; %q", hot, transfers, s.notes)
		}
	}
}

// A node that has just fallen silent may have died: it gets no lead, whether for its
// load, for its number of groups, or from a node that drains, though it still counts
// as live. As soon as it is heard again it does.
func TestSilentNodeGetsNoLead(t *testing.T) {
	byNumber := func() *sim {
		s := rested(t, 2, Options{}, nil)
		s.leaders[1], s.leaders[2] = "n1", "n1"
		return s
	}
	byLoad := func() *sim {
		s := rested(t, 3, Options{Groups: 6}, nil)
		for id := range s.leaders {
			if id != 0 {
				s.leaders[id] = "n1"
			}
		}
		s.heat = slotHeat(func(int) float64 { return 1 })
		return s
	}
	for what, begin := range map[string]func() *sim{"by number": byNumber, "by load": byLoad} {
		for _, x := range []struct {
			silent time.Duration
			want   bool
		}{{100 * time.Millisecond, true}, {600 * time.Millisecond, false}, {2 * time.Second, false}, {0, true}} {
			s := begin()
			s.opt.LeadWithin = 500 * time.Millisecond
			for _, n := range s.m.Nodes {
				if n.ID != "n1" {
					s.nodes[n.ID] = Node{Silent: x.silent}
				}
			}
			if got := count(Plan(s.input()), TransferLeader) > 0; got != x.want {
				t.Errorf("%s, silent for %v: a lead is handed over: %v", what, x.silent, got)
			}
		}
	}
	for _, silent := range []string{"n1", "n3"} {
		s := rested(t, 3, Options{Groups: 1}, nil)
		s.leaders[1] = "n2"
		s.m.Nodes[1].State = shard.Draining
		s.nodes[silent] = Node{Silent: 2 * time.Second}
		got := Plan(s.input())
		at := slices.IndexFunc(got, func(a Action) bool { return a.Kind == TransferLeader && a.Group == 1 })
		if at < 0 || got[at].Node == silent {
			t.Errorf("%s is silent, and n2 is draining: %v", silent, got)
		}
	}
}

// Unless it is said otherwise, a second without a word is too long, and never is it
// longer than what counts as live.
func TestLeadWithin(t *testing.T) {
	for _, x := range []struct{ given, want time.Duration }{{0, time.Second}, {500 * time.Millisecond, 500 * time.Millisecond}, {4 * time.Second, 3 * time.Second}} {
		if got := (Options{LeadWithin: x.given}).withDefaults(3).LeadWithin; got != x.want {
			t.Errorf("%v: %v, want %v", x.given, got, x.want)
		}
	}
}
