package controller

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"raftkv/shard"
)

// Every change is noted in words with its reason and the log's time, the notes of a
// snapshot are those of its state, and a limit keeps the newest.
func TestNotes(t *testing.T) {
	s := New()
	node := func(id, incarnation string) shard.Node {
		return shard.Node{ID: id, Incarnation: incarnation, Redis: "host:7001"}
	}
	half := []shard.Range{{0, 99}}
	steps := []struct {
		cmd  []byte
		want Note
	}{
		{PutNode(node("n1", "a")), Note{Op: "put-node", Node: "n1", Text: "node n1 joins, at host:7001"}},
		{PutNode(node("n2", "a")), Note{Op: "put-node", Node: "n2", Text: "node n2 joins, at host:7001"}},
		{PutNode(node("n2", "b")), Note{Op: "put-node", Node: "n2", Text: "node n2 joins again with an empty folder: its replicas are lost"}},
		{Because("a new cluster", AddGroup([]string{"n1"})), Note{Op: "add-group", Group: 1, Text: "group 1 is added on n1", Reason: "a new cluster"}},
		{AddGroup([]string{"n1", "n2"}), Note{Op: "add-group", Group: 2, Text: "group 2 is added on n1, n2"}},
		{FoundGroup(1), Note{Op: "found-group", Group: 1, Text: "group 1 is founded"}},
		{FoundGroup(2), Note{Op: "found-group", Group: 2, Text: "group 2 is founded"}},
		{AssignSlots(1, half), Note{Op: "assign-slots", Group: 1, Text: "group 1 gets its first slots, 0-99"}},
		{Because("unheard", StartMigration(half, 1, 2, "heat")), Note{Op: "start-migration", Group: 1, Text: "migration 9 begins: slots 0-99 from group 1 to group 2", Reason: "heat"}},
		{CancelMigration(9), Note{Op: "cancel-migration", Group: 1, Text: "migration 9 is canceled: slots 0-99 from group 1 to group 2"}},
		{Because("12 keys", FinishMigration(9)), Note{Op: "finish-migration", Group: 1, Text: "migration 9 is done: slots 0-99 from group 1 to group 2", Reason: "12 keys"}},
		{AddReplica(1, "n2"), Note{Op: "add-replica", Group: 1, Node: "n2", Text: "group 1 gets a replica on n2"}},
		{PromoteReplica(1, "n2.12"), Note{Op: "promote-replica", Group: 1, Node: "n2", Text: "replica n2.12 of group 1 has caught up and votes"}},
		{ReplaceReplica(1, "n2.12"), Note{Op: "replace-replica", Group: 1, Node: "n2", Text: "replica n2.12 of group 1 is replaced by n2.14"}},
		{RemoveReplica(1, "n2.14"), Note{Op: "remove-replica", Group: 1, Node: "n2", Text: "group 1 loses replica n2.14"}},
		{Drain("n2"), Note{Op: "drain", Node: "n2", Text: "node n2 is to be drained"}},
		{Undrain("n2"), Note{Op: "undrain", Node: "n2", Text: "node n2 is not to be drained any more"}},
		{SetBalance(true), Note{Op: "set-balance", Text: "the balancer is on"}},
	}
	var want []Note
	for i, step := range steps {
		if _, err := s.Apply(step.cmd, int64(1000+i)); err != nil {
			t.Fatalf("%s: %v", step.cmd, err)
		}
		step.want.Epoch, step.want.At = uint64(i+1), int64(1000+i)
		want = append(want, step.want)
	}
	if _, err := s.Apply(SetBalance(true), 5000); err != nil {
		t.Fatal(err) // it is so already, and no news
	}
	got := s.Notes(0, 100)
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			t.Fatalf("note %d of %d: %+v\nwant %+v", i, len(got), got[min(i, len(got)-1)], want[i])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d notes, want %d: the last is %+v", len(got), len(want), got[len(got)-1])
	}
	restored := New()
	if err := json.Unmarshal([]byte(text(t, s)), restored); err != nil {
		t.Fatal(err)
	}
	if after := restored.Notes(5, 100); !slices.Equal(after, want[5:]) {
		t.Errorf("a snapshot's notes after 5: %+v", after)
	}
	if newest := s.Notes(5, 2); !slices.Equal(newest, want[len(want)-2:]) {
		t.Errorf("the newest two: %+v", newest)
	}
	if _, err := s.Apply(Because(strings.Repeat("é", 10_000), SetBalance(false)), 1); err != nil {
		t.Fatal(err)
	}
	if last := s.Notes(s.Map().Epoch-1, 1); len(last) != 1 || len(last[0].Reason) > maxReason+3 || !utf8.ValidString(last[0].Reason) {
		t.Errorf("a long reason is kept as %+v", last)
	}
	if none := s.Notes(99, 100); len(none) != 0 {
		t.Errorf("after an epoch that has not come: %+v", none)
	}
}
