package plan

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"raftkv/shard"
	"raftkv/shard/heat"

	"pgregory.net/rapid"
)

func count(actions []Action, kind Kind) (n int) {
	for _, a := range actions {
		if a.Kind == kind {
			n++
		}
	}
	return n
}

func noted(notes []string, part string) (n int) {
	for _, note := range notes {
		if strings.Contains(note, part) {
			n++
		}
	}
	return n
}

// rested is a cluster at rest, under little load or the given one.
func rested(t *testing.T, nodes int, opt Options, load []heat.SlotHeat) *sim {
	t.Helper()
	s := newSim(t.Fatalf, 1, nodes, opt)
	s.rest(100)
	s.heat = load
	s.rest(200)
	return s
}

func TestClusterBeginsWithEvenGroups(t *testing.T) {
	s := newSim(t.Fatalf, 1, 5, Options{Groups: 8, MinNodes: 5})
	last := s.join()
	s.nodes[last] = Node{Silent: time.Minute} // so five of six live
	s.nodes["n1"] = Node{Silent: time.Minute}
	if actions, notes := Explain(s.input()); count(actions, AddGroup) > 0 || noted(notes, "the first groups are made when 5 do") != 1 {
		t.Errorf("with four nodes: %v, %q", actions, notes)
	}
	s.rest(100)
	if len(s.m.Groups) != 9 {
		t.Fatalf("%d groups", len(s.m.Groups))
	}
	for _, g := range s.m.Groups[1:] {
		slots := s.m.SlotsOf(g.ID)
		if len(slots) != 1 || slots[0].Len() != 2048 || len(g.Replicas) != 3 {
			t.Errorf("group %d: %v, %d replicas", g.ID, slots, len(g.Replicas))
		}
	}
	led, held := map[string]int{}, map[string]int{}
	for _, g := range s.m.Groups[1:] {
		led[s.leaders[g.ID]]++
		for _, r := range g.Replicas {
			held[r.Node]++
		}
	}
	for _, n := range s.m.Nodes {
		if led[n.ID] < 1 || led[n.ID] > 2 || held[n.ID] != 4 {
			t.Errorf("%s leads %d and holds %d of 8 groups x 3 replicas on 6 nodes", n.ID, led[n.ID], held[n.ID])
		}
	}
	if s.moves > 0 {
		t.Errorf("%d moves, of slots that were even", s.moves)
	}
}

// Where heat has brought slots they stay when it is gone, or is not known: else
// each pause would cost moves, and its end more of them.
func TestPausesOfTheTrafficMoveNothing(t *testing.T) {
	s := rested(t, 4, Options{}, zipf(100_000, 30_000, "key"))
	s.join()
	s.rest(200)
	moves := s.moves
	in := s.input()
	in.Heat = nil
	if got, notes := Explain(in); len(got) > 0 || noted(notes, "heat is not known yet") != 1 {
		t.Errorf("without knowing heat: %v, %q", got, notes)
	}
	load := s.heat
	for _, s.heat = range [][]heat.SlotHeat{nil, load, nil, load} {
		s.rest(200)
		if s.moves > moves {
			t.Fatalf("%d moves; %q", s.moves-moves, s.notes)
		}
	}
}

func TestWhatIsUnderWayIsNotRepeated(t *testing.T) {
	s := rested(t, 6, Options{Migrations: 8}, nil)
	s.heat = zipf(100_000, 30_000, "key")
	in := s.input()
	first := Plan(in)
	if count(first, MoveSlots) == 0 {
		t.Fatalf("nothing is moved: %v", first)
	}
	for _, a := range first {
		s.do(a) // begun, not ended
	}
	if again := Plan(s.input()); len(again) > 0 {
		t.Errorf("repeated: %v", again)
	}

	s = rested(t, 5, Options{ReplaceAfter: time.Minute}, nil)
	s.down["n2"] = true
	s.pass(time.Hour)
	s.settle()
	first = Plan(s.input())
	if count(first, AddReplica) == 0 {
		t.Fatalf("nothing is replaced: %v", first)
	}
	for _, a := range first {
		s.do(a)
	}
	for _, a := range Plan(s.input()) {
		for _, b := range first {
			if a.Kind == AddReplica && b.Kind == AddReplica && a.Group == b.Group {
				t.Errorf("repeated: %v", a)
			}
		}
	}
}

func TestMigrationsAreFew(t *testing.T) {
	s := rested(t, 8, Options{Migrations: 1}, nil)
	s.heat = zipf(100_000, 30_000, "key")
	for range 10 {
		if s.round(); len(s.m.Migrations) > 1 {
			t.Fatalf("%d at once", len(s.m.Migrations))
		}
	}
	if s.moves < 3 {
		t.Errorf("%d moves in all", s.moves)
	}
}

func TestWhatMovedRests(t *testing.T) {
	s := rested(t, 6, Options{}, nil)
	s.heat = zipf(100_000, 30_000, "key")
	in := s.input()
	in.Recent = Recent{Slots: map[uint16]time.Time{60000: s.now}, Leaders: map[uint32]time.Time{}}
	for slot := range shard.Slots {
		in.Recent.Slots[uint16(slot)] = s.now.Add(-29 * time.Second)
	}
	if got := Plan(in); count(got, MoveSlots) > 0 {
		t.Errorf("slots at rest: %v", got)
	}
	in.Now = in.Now.Add(2 * time.Second)
	if got := Plan(in); count(got, MoveSlots) == 0 {
		t.Error("slots are not moved after their rest")
	}

	s = rested(t, 3, Options{}, nil)
	for id := range s.leaders {
		s.leaders[id] = "n1"
		s.recent.Leaders[id] = s.now
	}
	if got := Plan(s.input()); count(got, TransferLeader) > 0 {
		t.Errorf("leaders at rest: %v", got)
	}
	clear(s.recent.Leaders)
	if got := Plan(s.input()); count(got, TransferLeader) != 2 {
		t.Errorf("n1 leads all: %v", got)
	}
}

func TestNothingMovesWhileTheBalancerIsOff(t *testing.T) {
	s := rested(t, 5, Options{ReplaceAfter: 10 * time.Second}, nil)
	s.m.Balance = false
	s.heat = zipf(100_000, 30_000, "key")
	s.join()
	s.down["n1"] = true
	moves, groups, kinds := s.moves, len(s.m.Groups), map[Kind]int{}
	for range 40 {
		for _, a := range s.round() {
			kinds[a.Kind]++
		}
	}
	if s.moves > moves || len(s.m.Groups) > groups || kinds[TransferLeader] > 0 || noted(s.notes, "balancer is off") != 1 {
		t.Errorf("%v, %q", kinds, s.notes)
	}
	if kinds[RemoveReplica] == 0 {
		t.Errorf("the dead node is not replaced: %v, %q", kinds, s.notes)
	}
}

// While the balancer is off a person can ask what it would do.
func TestPlanIfTheBalancerWereOn(t *testing.T) {
	s := rested(t, 4, Options{}, nil)
	s.m.Balance = false
	s.heat = zipf(100_000, 30_000, "key")
	s.join()
	in := s.input()
	actions := Plan(in)
	more := IfOn(in, actions)
	if len(more) == 0 || in.Map.Balance {
		t.Errorf("a node has joined, and all that the balancer would do is %v beside %v", more, actions)
	}
	in.Map.Balance = true
	if all := Plan(in); len(all) != len(actions)+len(more) {
		t.Errorf("turned on, it does %v; it had said %v beside %v", all, more, actions)
	}
}

func TestNothingIsTakenFromGroupsWithoutQuorum(t *testing.T) {
	s := rested(t, 6, Options{ReplaceAfter: 10 * time.Second}, nil)
	g := &s.m.Groups[1]
	s.down[g.Replicas[0].Node], s.down[g.Replicas[1].Node] = true, true
	for range 60 {
		for _, a := range s.round() {
			if a.Group == g.ID || a.From == g.ID || a.To == g.ID {
				t.Fatalf("%v, but it has no quorum", a)
			}
		}
	}
	if noted(s.notes, "group 1 has no quorum, only 1 of 3 voters live") != 1 {
		t.Errorf("%q", s.notes)
	}
}

func TestThreeNodesKeepTheDeadOnesSeat(t *testing.T) {
	s := rested(t, 3, Options{ReplaceAfter: 10 * time.Second}, nil)
	s.down["n2"] = true
	for range 60 {
		for _, a := range s.round() {
			if a.Kind != TransferLeader {
				t.Fatalf("there is no other node, but: %v", a)
			}
		}
	}
	if noted(s.notes, "only 2 such nodes live") != 1 {
		t.Errorf("%q", s.notes)
	}
}

// A group whose nodes died before it was founded has nothing, and nobody will found
// it: another one takes its place, once its nodes have been silent for long.
func TestGroupThatCannotBeFoundedIsGivenUp(t *testing.T) {
	s := rested(t, 5, Options{ReplaceAfter: 10 * time.Second, Groups: 5}, nil)
	s.opt.Groups = 6
	for _, a := range s.round() {
		if a.Kind != AddGroup {
			t.Fatalf("%v", a)
		}
	}
	lost := s.m.Groups[6]
	s.down[lost.Replicas[0].Node], s.down[lost.Replicas[1].Node] = true, true
	for range 8 {
		if got := s.round(); count(got, RemoveGroup)+count(got, AddGroup) > 0 {
			t.Fatalf("they may come back, but: %v", got)
		}
	}
	if noted(s.notes, "group 6 waits to be founded: 1 of its 3 replicas live") != 1 {
		t.Errorf("%q", s.notes)
	}
	s.rest(100)
	if g := s.m.Groups[6]; len(s.m.Groups) != 7 || g.ID != 7 || !g.Founded {
		t.Errorf("%+v", s.m.Groups)
	}
}

// Who comes back a moment later founds the group: it is not given up for a restart.
// Nor is it if the balancer is off, or if no node could take its place.
func TestGroupThatMayBeFoundedIsKept(t *testing.T) {
	for _, what := range []string{"one of three is dead", "the balancer is off", "all are dead"} {
		s := rested(t, 5, Options{ReplaceAfter: 10 * time.Second, Groups: 1}, nil)
		s.m.Groups[1].Founded = false
		for i := range s.m.Owner {
			s.m.Owner[i] = shard.Controller
		}
		switch what {
		case "one of three is dead":
			s.down[s.m.Groups[1].Replicas[1].Node] = true
		case "the balancer is off":
			s.m.Balance = false
			s.down[s.m.Groups[1].Replicas[1].Node], s.down[s.m.Groups[1].Replicas[2].Node] = true, true
		default:
			for _, n := range s.m.Nodes {
				s.down[n.ID] = true
			}
		}
		s.pass(time.Minute)
		if got := Plan(s.input()); count(got, RemoveGroup)+count(got, AddGroup) > 0 {
			t.Errorf("%s: %v", what, got)
		}
	}
}

func TestPromotableLeavesSeatsOfTheController(t *testing.T) {
	s := newSim(t.Fatalf, 1, 8, Options{})
	s.rest(100)
	voters := func() (n int) {
		v, _ := s.quorum(&s.m.Groups[0])
		return v
	}
	if voters() != 5 || len(s.m.Groups[0].Replicas) != 8 {
		t.Fatalf("%+v", s.m.Groups[0])
	}
	if got := Promotable(s.input(), shard.Controller); len(got) != 0 {
		t.Errorf("all seats are taken, yet %v", got)
	}
	in := s.input()
	in.Nodes[s.leaders[0]] = Node{Silent: time.Hour}
	if got := Promotable(in, shard.Controller); len(got) != 3 {
		t.Errorf("one is dead, and any of three may have its seat: %v", got)
	}
	s.m.Node(s.leaders[0]).State = shard.Draining
	if got := Promotable(s.input(), shard.Controller); len(got) != 3 {
		t.Errorf("one drains, and any of three may have its seat: %v", got)
	}
	if got := Promotable(in, 99); got != nil {
		t.Errorf("no such group: %v", got)
	}
}

// Keys are the price: of slots as hot, those with fewer keys go, and
// what does not pay stays.
func TestPriceOfAMove(t *testing.T) {
	s := rested(t, 3, Options{}, nil)
	s.heat = slotHeat(func(slot int) float64 {
		if slot < 20 {
			return 50
		}
		return 0
	})
	in := s.input()
	in.Keys = make([]uint64, 20)
	for i := range in.Keys {
		in.Keys[i] = 10_000
		if i%4 > 0 {
			in.Keys[i] = 10
		}
	}
	got := Plan(in)
	if count(got, MoveSlots) == 0 {
		t.Fatal("nothing is moved")
	}
	for _, a := range got {
		for _, r := range a.Slots {
			if r.From()%4 == 0 || r.From()/4 != r.To()/4 {
				t.Errorf("%v: it holds many keys", a)
			}
		}
	}
	for i := range in.Keys {
		in.Keys[i] = 1e6
	}
	if got := Plan(in); count(got, MoveSlots) > 0 {
		t.Errorf("20 million keys for 1000 ops/s: %v", got)
	}
}

func TestMostUrgentFirst(t *testing.T) {
	s := rested(t, 6, Options{ReplaceAfter: 10 * time.Second, Actions: 2}, nil)
	s.heat = zipf(100_000, 30_000, "key")
	s.down["n3"] = true
	s.pass(time.Hour)
	s.settle()
	if got := Plan(s.input()); len(got) != 2 || got[0].Group != 0 || got[1].Kind != AddReplica || got[1].Reason != "n3 has been silent for more than 10s" {
		t.Errorf("%v", got)
	}
}

// Soft state may be anything: late, missing, of groups and nodes that are gone.
// A plan is the same for the same input, which it leaves alone.
func TestPlanIsAPureFunction(t *testing.T) {
	base := newSim(t.Fatalf, 1, 5, Options{})
	base.rest(100)
	names := []string{"n1", "n2", "n3", "n4", "n5", "gone", ""}
	rapid.Check(t, func(t *rapid.T) {
		in := base.input()
		in.Nodes, in.Leaders = map[string]Node{}, map[uint32]string{}
		for range rapid.IntRange(0, 8).Draw(t, "nodes") {
			silent := rapid.SampledFrom([]time.Duration{0, -time.Second, time.Second, time.Minute, time.Hour}).Draw(t, "silent")
			in.Nodes[rapid.SampledFrom(names).Draw(t, "node")] = Node{silent, rapid.Float64Range(-1, 10).Draw(t, "weight")}
		}
		for range rapid.IntRange(0, 8).Draw(t, "leaders") {
			in.Leaders[rapid.Uint32Max(9).Draw(t, "group")] = rapid.SampledFrom(names).Draw(t, "leader")
		}
		for range rapid.IntRange(0, 30).Draw(t, "heat") {
			in.Heat = append(in.Heat, heat.SlotHeat{Slot: rapid.Uint16().Draw(t, "slot"), Reads: rapid.Float64Range(0, 1e9).Draw(t, "ops")})
		}
		in.Keys = rapid.SliceOfN(rapid.Uint64(), 0, 3).Draw(t, "keys")
		in.Map.Nodes[rapid.IntRange(0, 4).Draw(t, "drains")].State = shard.Draining
		before := in
		before.Map = in.Map.Clone()
		before.Heat = slices.Clone(in.Heat)
		actions, notes := Explain(in)
		again, notesAgain := Explain(in)
		if !reflect.DeepEqual(actions, again) || !reflect.DeepEqual(notes, notesAgain) {
			t.Fatalf("not the same twice: %v %v", actions, again)
		}
		if !reflect.DeepEqual(in, before) {
			t.Fatal("the input is changed")
		}
	})
}
