package controller

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"raftkv/shard"
)

// step is a command and its answer: a reply, or after a "!" a part of the error.
type step struct {
	cmd  []byte
	want string
}

func node(id string) shard.Node {
	return shard.Node{ID: id, Redis: id + ":7001", HTTP: id + ":8001", Peer: id + ":9001", Incarnation: "first"}
}

// reborn is the node after it lost its folder.
func reborn(id string) shard.Node {
	n := node(id)
	n.Incarnation = "second"
	return n
}

func slots(t testing.TB, s string) []shard.Range {
	t.Helper()
	out, err := shard.ParseRanges(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// cluster is at epoch 13: nodes n1 to n6; group 1 on n1, n2, n3 with slots 0-99;
// group 2 on n2, n3, n4 with slots 100-199; group 3 on n4, not founded.
func cluster(t testing.TB) *State {
	t.Helper()
	s := New()
	run(t, s, []step{
		{PutNode(node("n1")), `{"epoch":1,"replica":"n1.1"}`},
		{PutNode(node("n2")), `{"epoch":2,"replica":"n2.2"}`},
		{PutNode(node("n3")), `{"epoch":3,"replica":"n3.3"}`},
		{PutNode(node("n4")), `{"epoch":4,"replica":"n4.4"}`},
		{PutNode(node("n5")), `{"epoch":5,"replica":"n5.5"}`},
		{PutNode(node("n6")), `{"epoch":6,"replica":"n6.6"}`},
		{AddGroup([]string{"n3", "n1", "n2"}), `{"epoch":7,"group":1}`},
		{AddGroup([]string{"n2", "n3", "n4"}), `{"epoch":8,"group":2}`},
		{FoundGroup(1), `{"epoch":9}`},
		{FoundGroup(2), `{"epoch":10}`},
		{AssignSlots(1, slots(t, "0-99")), `{"epoch":11}`},
		{AssignSlots(2, slots(t, "100-199")), `{"epoch":12}`},
		{AddGroup([]string{"n4"}), `{"epoch":13,"group":3}`},
	})
	return s
}

// run carries out the steps. What is refused, and what is answered without a new
// epoch, must leave everything as it was.
func run(t testing.TB, s *State, steps []step) {
	t.Helper()
	for _, step := range steps {
		before, epoch := text(t, s), s.Map().Epoch
		reply, err := s.Apply(step.cmd, 0)
		// Whether it changed something is told by the epoch too, and not in the steps.
		got := strings.Replace(string(reply), fmt.Sprintf(`,"changed":%t`, s.Map().Epoch != epoch), "", 1)
		if err != nil {
			got = "!" + err.Error()
		}
		if got != step.want && !(err != nil && step.want[0] == '!' && strings.Contains(got, step.want[1:])) {
			t.Fatalf("%s: got %s, want %s", step.cmd, got, step.want)
		}
		if s.Map().Epoch == epoch && text(t, s) != before {
			t.Fatalf("%s: answered %s, but changed the state", step.cmd, got)
		}
		if err := s.Map().Check(); err != nil {
			t.Fatalf("%s: %v", step.cmd, err)
		}
	}
}

func text(t rapid.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRules(t *testing.T) {
	const at13 = `{"epoch":13}`
	all := slots(t, "0-16383")
	for name, steps := range map[string][]step{
		"a node that is known changes nothing": {
			{PutNode(node("n1")), `{"epoch":13,"replica":"n1.1"}`},
		},
		"a node needs a good id and an incarnation": {
			{PutNode(shard.Node{ID: "", Incarnation: "x"}), `!node id ""`},
			{PutNode(shard.Node{ID: "a.b", Incarnation: "x"}), `!node id "a.b"`},
			{PutNode(shard.Node{ID: "n1"}), `!no incarnation`},
		},
		"the sixth node does not vote, and its return changes nothing": {
			{RemoveReplica(0, "n6.6"), `{"epoch":14}`},
			{PutNode(node("n6")), `{"epoch":15,"replica":"n6.15"}`},
			{PutNode(node("n6")), `{"epoch":15,"replica":"n6.15"}`},
		},
		"draining and back": {
			{Drain("n1"), `{"epoch":14}`},
			{Drain("n1"), `{"epoch":14}`},
			{AddReplica(2, "n1"), `!node n1 is draining`},
			{AddGroup([]string{"n1"}), `!node n1 is draining`},
			{AddReplica(1, "n1"), `{"epoch":14,"replica":"n1.7"}`}, // is there
			{RemoveReplica(0, "n1.1"), `{"epoch":15}`},
			{AddReplica(0, "n1"), `{"epoch":16,"replica":"n1.16"}`},
			{Undrain("n1"), `{"epoch":17}`},
			{Undrain("n1"), `{"epoch":17}`},
			{AddReplica(2, "n1"), `{"epoch":18,"replica":"n1.18"}`},
			{Drain("n9"), `!no node "n9"`},
			{Undrain(""), `!no node ""`},
		},
		"removing nodes": {
			{RemoveNode("n1"), `!still has replica n1.7 of group 1`},
			{RemoveReplica(1, "n1.7"), `{"epoch":14}`},
			{RemoveNode("n1"), `{"epoch":15}`},
			{RemoveNode("n1"), `{"epoch":15}`},
			{RemoveNode("n6"), `{"epoch":16}`},
			{PutNode(node("n1")), `{"epoch":17,"replica":"n1.17"}`},
		},
		"adding groups": {
			{AddGroup(nil), `!at least one node`},
			{AddGroup([]string{"n1", "n2", "n1"}), `!node n1 stands twice`},
			{AddGroup([]string{"n1", "n9"}), `!no node "n9"`},
			{AddGroup([]string{"n1", "n2"}), `{"epoch":14,"group":4}`},
			{RemoveGroup(4), `{"epoch":15}`},
			{RemoveGroup(4), `{"epoch":15}`},
			{AddGroup([]string{"n1"}), `{"epoch":16,"group":5}`}, // numbers are not used again
			{RemoveGroup(6), `!no group 6`},
			{FoundGroup(4), `!group 4 has been removed`},
			{RemoveReplica(4, "n1.14"), `{"epoch":16}`},
		},
		"removing groups": {
			{RemoveGroup(0), `!group 0 is the controller's own`},
			{RemoveGroup(1), `!group 1 still owns slots, the first are 0-99`},
			{FoundGroup(3), `{"epoch":14}`},
			{StartMigration(slots(t, "0-99"), 1, 3, ""), `{"epoch":15,"migration":15}`},
			{RemoveGroup(3), `!group 3 takes part in migration 15`},
			{RemoveGroup(1), `!group 1 takes part in migration 15`},
			{FinishMigration(15), `{"epoch":16}`},
			{RemoveGroup(3), `!group 3 still owns slots`},
			{RemoveGroup(1), `{"epoch":17}`},
		},
		"founding": {
			{FoundGroup(1), at13},
			{FoundGroup(0), at13},
			{FoundGroup(9), `!no group 9; add it first`},
			{FoundGroup(3), `{"epoch":14}`},
		},
		"first owners": {
			{AssignSlots(1, slots(t, "5-6")), at13},
			{AssignSlots(1, all), `!slot 100 belongs to group 2`},
			{AssignSlots(1, slots(t, "300,90-99,301")), `{"epoch":14}`}, // the rest of them
			{AssignSlots(1, nil), `!names no slots`},
			{AssignSlots(1, []shard.Range{{7, 6}}), `!slots 7-6`},
			{AssignSlots(1, []shard.Range{{0, shard.Slots}}), `!below 16384`},
			{AssignSlots(0, slots(t, "400")), `!group 0 owns no slots`},
			{AssignSlots(3, slots(t, "400")), `!group 3 is not founded`},
			{AssignSlots(9, slots(t, "400")), `!no group 9`},
			{[]byte(`{"op":"assign-slots","slots":[[1,2]]}`), `!names no group`},
		},
		"a replica moves": {
			{AddReplica(1, "n4"), `{"epoch":14,"replica":"n4.14"}`},
			{AddReplica(1, "n4"), `{"epoch":14,"replica":"n4.14"}`},
			{PromoteReplica(1, "n4.14"), `{"epoch":15}`},
			{PromoteReplica(1, "n4.14"), `{"epoch":15}`},
			{RemoveReplica(1, "n1.7"), `{"epoch":16}`},
			{RemoveReplica(1, "n1.7"), `{"epoch":16}`},
			{PromoteReplica(1, "n1.7"), `!no replica "n1.7"`},
			{AddReplica(1, "n9"), `!no node "n9"`},
			{AddReplica(9, "n1"), `!no group 9`},
			{RemoveReplica(9, "n1.1"), `!no group 9`},
			{PromoteReplica(9, "n1.1"), `!no group 9`},
			{ReplaceReplica(9, "n1.1"), `!no group 9`},
		},
		"the last voter stays": {
			{RemoveReplica(3, "n4.13"), `!replica n4.13 is the last voter of group 3`},
			{ReplaceReplica(3, "n4.13"), `!last voter of group 3`},
			{AddReplica(3, "n5"), `{"epoch":14,"replica":"n5.14"}`},
			{RemoveReplica(3, "n4.13"), `!last voter of group 3`}, // n5.14 does not vote
			{PromoteReplica(3, "n5.14"), `{"epoch":15}`},
			{RemoveReplica(3, "n4.13"), `{"epoch":16}`},
			{AddReplica(3, "n4"), `{"epoch":17,"replica":"n4.17"}`},
			{RemoveReplica(3, "n4.17"), `{"epoch":18}`},
		},
		"the last voter of group 0 stays": {
			{RemoveReplica(0, "n1.1"), `{"epoch":14}`},
			{RemoveReplica(0, "n2.2"), `{"epoch":15}`},
			{RemoveReplica(0, "n3.3"), `{"epoch":16}`},
			{RemoveReplica(0, "n4.4"), `{"epoch":17}`},
			{RemoveReplica(0, "n5.5"), `!last voter of group 0`},
			{RemoveNode("n5"), `!last voter of group 0`},
		},
		"a damaged replica gets a successor": {
			{ReplaceReplica(1, "n1.7"), `{"epoch":14,"replica":"n1.14"}`},
			{ReplaceReplica(1, "n1.7"), `{"epoch":14,"replica":"n1.14"}`},
			{ReplaceReplica(1, "n1.14"), `{"epoch":15,"replica":"n1.15"}`},
			{ReplaceReplica(1, "n1.99"), `!no replica "n1.99"; on that node it has n1.15`},
			{ReplaceReplica(1, "n4.4"), `!no replica on node n4`},
			{ReplaceReplica(1, "n1"), `!"n1" is no replica id`},
			{ReplaceReplica(1, "n1.x"), `!"n1.x" is no replica id`},
		},
		"a migration to its end": {
			{FoundGroup(3), `{"epoch":14}`},
			{StartMigration(slots(t, "10-19,30"), 1, 3, "heat"), `{"epoch":15,"migration":15}`},
			{StartMigration(slots(t, "30,10-15,16-19"), 1, 3, "again"), `{"epoch":15,"migration":15}`},
			{StartMigration(slots(t, "10-19,30"), 2, 3, ""), `!slot 10 belongs to group 1, not to group 2`},
			{StartMigration(slots(t, "10-19"), 1, 3, ""), `!slot 10 is being moved by migration 15`},
			{StartMigration(slots(t, "0-10"), 1, 2, ""), `!slot 10 is being moved by migration 15`},
			{StartMigration(slots(t, "100"), 2, 3, ""), `{"epoch":16,"migration":16}`},
			{FinishMigration(15), `{"epoch":17}`},
			{FinishMigration(15), `{"epoch":17}`},
			{AbortMigration(15), `{"epoch":17}`},
			{CancelMigration(15), `!migration 15 is over`},
			{FinishMigration(18), `!no migration 18: the shard map is at epoch 17`},
			{AbortMigration(18), `!no migration 18`},
			{CancelMigration(18), `!no migration 18`},
			{StartMigration(slots(t, "10"), 1, 2, ""), `!slot 10 belongs to group 3, not to group 1`},
		},
		"a migration undone": {
			{StartMigration(slots(t, "10-19"), 1, 2, "heat"), `{"epoch":14,"migration":14}`},
			{CancelMigration(14), `{"epoch":15}`},
			{CancelMigration(14), `{"epoch":15}`},
			{StartMigration(slots(t, "10-19"), 1, 2, "heat"), `!slot 10 is being moved by migration 14`},
			{AbortMigration(14), `{"epoch":16}`},
			{AbortMigration(14), `{"epoch":16}`},
			{StartMigration(slots(t, "10-19"), 1, 2, "heat"), `{"epoch":17,"migration":17}`},
		},
		"a migration canceled too late": {
			{StartMigration(slots(t, "10-19"), 1, 2, "heat"), `{"epoch":14,"migration":14}`},
			{CancelMigration(14), `{"epoch":15}`},
			{FinishMigration(14), `{"epoch":16}`},
			{StartMigration(slots(t, "10-19"), 2, 1, "back"), `{"epoch":17,"migration":17}`},
		},
		"migrations that make no sense": {
			{StartMigration(slots(t, "10"), 1, 1, ""), `!from group 1 to itself`},
			{StartMigration(slots(t, "10"), 1, 3, ""), `!group 3 is not founded`},
			{StartMigration(slots(t, "10"), 3, 1, ""), `!group 3 is not founded`},
			{StartMigration(slots(t, "10"), 1, 9, ""), `!no group 9`},
			{StartMigration(slots(t, "10"), 9, 1, ""), `!no group 9`},
			{StartMigration(slots(t, "10"), 1, 0, ""), `!group 0 owns no slots`},
			{StartMigration(slots(t, "300"), 0, 1, ""), `!group 0 owns no slots`},
			{StartMigration(slots(t, "300"), 1, 2, ""), `!slot 300 belongs to group 0`},
			{StartMigration(nil, 1, 2, ""), `!names no slots`},
			{StartMigration([]shard.Range{{9, 8}}, 1, 2, ""), `!slots 9-8`},
		},
		"the balance": {
			{SetBalance(false), at13},
			{SetBalance(true), `{"epoch":14}`},
			{SetBalance(true), `{"epoch":14}`},
			{SetBalance(false), `{"epoch":15}`},
		},
		"a guard": {
			{At(12, Drain("n1")), `!the command was for epoch 12, this is epoch 13`},
			{At(14, Drain("n1")), `!moved on`},
			{At(13, Drain("n1")), `{"epoch":14}`},
			{At(13, Drain("n1")), `!moved on`},
			{At(14, At(13, Undrain("n1"))), `{"epoch":15}`},
			{At(15, []byte("nonsense")), `!command "nonsense"`},
		},
		"commands that no constructor makes": {
			{nil, `!command ""`},
			{[]byte(`[]`), `!command "[]"`},
			{[]byte(`{}`), `!no op ""`},
			{[]byte(`{"op":"explode"}`), `!no op "explode"`},
			{[]byte(`{"op":"drain","node":"n1","only_if":"x"}`), `!unknown field`},
			{[]byte(`{"op":"drain","node":"n1"}{}`), `!something follows`},
			{[]byte(`{"op":"drain","node":"n1"}]`), `!something follows`},
			{[]byte(`{"op":"put-node"}`), `!no node record`},
			{[]byte(`{"op":"add-replica","node":"n6"}`), `!names no group`},
			{[]byte(`{"op":"remove-group"}`), `!names no group`},
			{[]byte(`{"op":"start-migration","to":2,"slots":[[1,1]]}`), `!names no group`},
			{[]byte(`{"op":"finish-migration"}`), `!names no migration`},
			{[]byte(`{"op":"cancel-migration"}`), `!names no migration`},
			{[]byte(`{"op":"abort-migration"}`), `!names no migration`},
			{[]byte(`{"op":"set-balance"}`), `!neither on nor off`},
		},
	} {
		t.Run(name, func(t *testing.T) { run(t, cluster(t), steps) })
	}
}

func TestReplicasAndOwnersAreAsTold(t *testing.T) {
	s := cluster(t)
	m := s.Map()
	if got, want := text(t, m.Group(1)), `{"id":1,"replicas":[{"node":"n1","id":"n1.7","voter":true},{"node":"n2","id":"n2.7","voter":true},{"node":"n3","id":"n3.7","voter":true}],"founded":true}`; got != want {
		t.Errorf("group 1 is %s, want %s", got, want)
	}
	if g := m.Group(3); g.Founded {
		t.Error("group 3 is founded")
	}
	if g := m.Group(0); !g.Founded || voters(g) != ControllerVoters || len(g.Replicas) != 6 || g.On("n6").Voter {
		t.Errorf("group 0 is %+v", g)
	}
	run(t, s, []step{
		{ReplaceReplica(1, "n1.7"), `{"epoch":14,"replica":"n1.14"}`},
		{StartMigration(slots(t, "10-19"), 1, 2, "heat"), `{"epoch":15,"migration":15}`},
	})
	if r := s.Map().Group(1).On("n1"); r.ID != "n1.14" || r.Voter {
		t.Errorf("the successor is %+v", r)
	}
	if got, want := text(t, s.Map().Migrations), `[{"epoch":15,"slots":[[10,19]],"from":1,"to":2,"reason":"heat"}]`; got != want {
		t.Errorf("migrations are %s, want %s", got, want)
	}
	if s.Map().Owner[10] != 1 {
		t.Error("the slot is routed to its new owner before it serves")
	}
	run(t, s, []step{{CancelMigration(15), `{"epoch":16}`}})
	if !s.Map().Migrations[0].Canceled {
		t.Error("not canceled")
	}
	run(t, s, []step{{FinishMigration(15), `{"epoch":17}`}})
	if m := s.Map(); m.Owner[9] != 1 || m.Owner[10] != 2 || m.Owner[19] != 2 || m.Owner[20] != 1 || len(m.Migrations) != 0 {
		t.Errorf("the end left %v and %v, %v", m.SlotsOf(1), m.SlotsOf(2), m.Migrations)
	}
	run(t, s, []step{
		{StartMigration(slots(t, "10-19"), 2, 1, "back"), `{"epoch":18,"migration":18}`},
		{AbortMigration(18), `{"epoch":19}`},
	})
	if m := s.Map(); m.Owner[10] != 2 || len(m.Migrations) != 0 {
		t.Errorf("aborting left %v and %v", m.SlotsOf(2), m.Migrations)
	}
}

func TestErrorsCanBeTold(t *testing.T) {
	s := cluster(t)
	if _, err := s.Apply(At(3, SetBalance(true)), 0); !errors.Is(err, ErrStale) {
		t.Errorf("a stale command: %v", err)
	}
	if _, err := s.Apply(Drain("n9"), 0); err == nil || errors.Is(err, ErrStale) {
		t.Errorf("a refused command: %v", err)
	}
	if _, err := s.MapAt(14); !errors.Is(err, ErrNoMap) {
		t.Errorf("MapAt of the future: %v", err)
	}
	if m := New().Map(); m.Epoch != 0 || m.Check() != nil {
		t.Errorf("a new state has map %+v", m)
	}
}

func TestAtAcceptsEpochZero(t *testing.T) {
	s := New()
	run(t, s, []step{
		{At(0, PutNode(node("n1"))), `{"epoch":1,"replica":"n1.1"}`},
		{At(0, PutNode(node("n1"))), `!moved on`},
		{RemoveNode("n1"), `!last voter of group 0`},
	})
}
