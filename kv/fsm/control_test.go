package fsm

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"raftkv/kv"
	"raftkv/shard"
	"raftkv/shard/controller"
)

// Group 0 changes the map, shows each one to readers and tells of it, and a snapshot
// has it with its history.
func TestControl(t *testing.T) {
	changes := 0
	m := &machine{FSM: New(Options{Group: shard.Controller, MapChanged: func() { changes++ }})}
	if got := m.Map(); got.Epoch != 0 {
		t.Errorf("a new map has epoch %d", got.Epoch)
	}
	put := func(id string) kv.Reply {
		return m.apply(Admin, 0, Control(controller.PutNode(shard.Node{ID: id, Incarnation: "1"})))[0]
	}
	var reply controller.Reply
	if r := put("n1"); json.Unmarshal(r.Str, &reply) != nil || reply.Replica != "n1.1" {
		t.Errorf("PutNode: %s", text(r))
	}
	before := m.Map()
	put("n2")
	put("n2") // again: no change
	if m.Map().Epoch != 2 || changes != 2 || len(before.Nodes) != 1 {
		t.Errorf("epoch %d after %d changes; the first map has %v", m.Map().Epoch, changes, before.Nodes)
	}
	if r := m.apply(Admin, 0, Control(controller.At(1, controller.SetBalance(true))))[0]; kv.ReplyError(r.Str).Code() != ErrStale {
		t.Errorf("a command for an earlier map: %s", text(r))
	}
	if r := m.apply(Admin, 0, Control([]byte("{}")))[0]; kv.ReplyError(r.Str).Code() != "ERR" {
		t.Errorf("a command of nothing: %s", text(r))
	}

	b := m.snapshot(t)
	put("n3") // the snapshot is of before
	told := 0
	other := New(Options{Group: shard.Controller, MapChanged: func() { told++ }})
	if err := other.Restore(io.NopCloser(bytes.NewReader(b))); err != nil {
		t.Fatal(err)
	}
	if got := other.Map(); got.Epoch != 2 || len(got.Nodes) != 2 || told == 0 {
		t.Errorf("restored: %+v, told %d times", got, told)
	}
	if old, err := other.MapAt(1); err != nil || len(old.Nodes) != 1 {
		t.Errorf("the first map, restored: %+v, %v", old, err)
	}
}

// Other groups have no map, and no group takes another's snapshot for its own.
func TestOnlyGroupZeroHasTheMap(t *testing.T) {
	m := newMachine()
	if r := m.apply(Admin, 0, Control(controller.SetBalance(true)))[0]; r.Kind != kv.Error {
		t.Errorf("group 1 changes the map: %s", text(r))
	}
	if _, err := m.MapAt(1); err == nil {
		t.Error("group 1 has maps")
	}
	zero := New(Options{Group: shard.Controller})
	if err := zero.Restore(io.NopCloser(bytes.NewReader(m.snapshot(t)))); err == nil || !strings.Contains(err.Error(), "group 1") {
		t.Errorf("group 0 restores a snapshot of group 1: %v", err)
	}
}

// A group takes slots that it has never had, and whatever map a leader goes by,
// none that have left it; a restored replica knows that too.
func TestFirstSlotsAreTakenOnce(t *testing.T) {
	m := &machine{FSM: New(Options{Group: 1})}
	own := func(epoch uint64, slots ...shard.Range) { m.apply(Admin, 0, OwnSlots(epoch, slots...)) }
	want := func(when string, slots ...shard.Range) {
		t.Helper()
		got, _ := m.Ownership()
		if len(got) != len(slots) {
			t.Fatalf("%s: it owns %v, want %v", when, got, slots)
		}
		for i := range got {
			if got[i] != slots[i] {
				t.Fatalf("%s: it owns %v, want %v", when, got, slots)
			}
		}
	}
	own(5, shard.Range{0, 99}, shard.Range{200, 299})
	want("at first", shard.Range{0, 99}, shard.Range{200, 299})
	m.state.slots.set(shard.Range{50, 99}, Absent, 7) // as when they have moved away
	own(6, shard.Range{0, 99})
	want("by an old map", shard.Range{0, 49}, shard.Range{200, 299})
	restoredFrom := m.snapshot(t)
	m = restored(t, restoredFrom, m.index)
	own(9, shard.Range{0, 109})
	want("after a restart", shard.Range{0, 49}, shard.Range{100, 109}, shard.Range{200, 299})
	if left := m.Untouched([]shard.Range{{40, 119}, {250, 310}}); len(left) != 2 || left[0] != (shard.Range{110, 119}) || left[1] != (shard.Range{300, 310}) {
		t.Errorf("untouched are %v", left)
	}
}
