package node

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"raftkv/kv"
	"raftkv/shard"
)

// orderedMap has three groups that own every third slot, group 4 that is not
// founded, and these migrations.
func orderedMap(migrations ...shard.Migration) *shard.Map {
	m := &shard.Map{Epoch: 20, Migrations: migrations}
	for i := range 4 {
		m.Nodes = append(m.Nodes, shard.Node{ID: fmt.Sprint("n", i+1), State: shard.Active})
	}
	m.Groups = []shard.Group{{ID: 0, Founded: true}}
	for id := range uint32(4) {
		g := shard.Group{ID: id + 1, Founded: id < 3}
		for _, node := range m.Nodes[:3] {
			g.Replicas = append(g.Replicas, shard.Replica{Node: node.ID, ID: node.ID + ".1", Voter: node.ID != "n3"})
		}
		m.Groups = append(m.Groups, g)
	}
	for slot := range m.Owner {
		m.Owner[slot] = uint32(slot)%3 + 1
	}
	return m
}

func TestSortOutRefuses(t *testing.T) {
	m := orderedMap(
		shard.Migration{Epoch: 11, Slots: []shard.Range{{0, 0}}, From: 1, To: 3},
		shard.Migration{Epoch: 12, Slots: []shard.Range{{3, 3}}, From: 1, To: 2, Canceled: true},
	)
	m.Owner[100] = shard.Controller
	for _, test := range []struct {
		slots shard.Range
		to    uint32
		says  string
	}{
		{shard.Range{1, 1}, 0, "owns no slots"},
		{shard.Range{1, 1}, 9, "no group 9"},
		{shard.Range{1, 1}, 4, "has had no leader yet"},
		{shard.Range{0, 0}, 2, "moved by migration 11 to group 3"},
		{shard.Range{0, 0}, 1, "moved by migration 11"}, // it is there, but leaves
		{shard.Range{3, 3}, 2, "migration 12, which is being undone"},
		{shard.Range{99, 100}, 2, "slot 100 has no owner yet"},
		{shard.Range{2, 1}, 2, "a first and a last slot"},
		{shard.Range{2, shard.Slots}, 2, "a first and a last slot"},
	} {
		_, missing, err := sortOut(m, []shard.Range{test.slots}, test.to)
		var reply kv.ReplyError
		if !errors.As(err, &reply) || reply.Code() != "ERR" || !strings.Contains(err.Error(), test.says) || missing != nil {
			t.Errorf("slots %v to group %d: %v, %v, want %q", test.slots, test.to, missing, err, test.says)
		}
	}
}

// Each slot that was asked for is there, is on its way, or is in just one missing
// migration from its owner; no other slot is touched, and no two missing migrations
// have the same source.
func TestSortOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := orderedMap(shard.Migration{Epoch: 11, Slots: []shard.Range{{0, 0}, {3, 3}}, From: 1, To: 2})
		var slots []shard.Range
		for _, from := range rapid.SliceOfN(rapid.Uint16Range(0, 60), 1, 5).Draw(t, "from") {
			slots = append(slots, shard.Range{from, from + rapid.Uint16Range(0, 20).Draw(t, "more")})
		}
		asked := slices.Clone(slots)
		move, missing, err := sortOut(m, slots, 2)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(slots, asked) {
			t.Fatal("the caller's slots were changed")
		}
		found := make(map[uint16]int)
		for slot := range shard.Each(move.There) {
			if found[slot]++; m.Owner[slot] != 2 {
				t.Fatalf("slot %d is not there", slot)
			}
		}
		sources := make(map[uint32]bool)
		for _, x := range missing {
			if sources[x.From] || x.To != 2 {
				t.Fatalf("missing: %v", missing)
			}
			sources[x.From] = true
			for slot := range shard.Each(x.Slots) {
				if found[slot]++; m.Owner[slot] != x.From || x.From == 2 {
					t.Fatalf("slot %d is to leave group %d", slot, x.From)
				}
			}
		}
		for slot := range shard.Each(shard.Normalize(asked)) {
			moving := m.Migrating(slot) != nil
			if moving && (len(move.Migrations) != 1 || move.Migrations[0].Epoch != 11) {
				t.Fatalf("slot %d is on its way, but not by %v", slot, move.Migrations)
			}
			if moving == (found[slot] == 1) || found[slot] > 1 {
				t.Fatalf("slot %d stands in %d places", slot, found[slot])
			}
			delete(found, slot)
		}
		if len(found) > 0 {
			t.Fatalf("nobody asked for %v", found)
		}
	})
}

func TestEmptiest(t *testing.T) {
	m := orderedMap()
	m.Groups[1].Replicas = m.Groups[1].Replicas[:2] // n3 has one less, n4 none
	for _, test := range []struct {
		dead []string
		want string
	}{{nil, "[n4 n3 n1]"}, {[]string{"n4"}, "[n3 n1 n2]"}, {[]string{"n1", "n2", "n4"}, "[n3]"}} {
		if got := fmt.Sprint(emptiest(m, test.dead)); got != test.want {
			t.Errorf("with %v dead: %s, want %s", test.dead, got, test.want)
		}
	}
	m.Nodes[3].State = shard.Draining
	if got := fmt.Sprint(emptiest(m, nil)); got != "[n3 n1 n2]" {
		t.Errorf("with n4 draining: %s", got)
	}
}

// A drain by which groups would lose replicas has to be forced, and nothing makes the
// last usable node drain.
func TestMayDrain(t *testing.T) {
	for name, test := range map[string]struct {
		nodes    int
		draining string
		dead     []string
		replicas int
		node     string
		copies   int    // if it is forced
		says     string // if it is not
	}{
		"enough remain":         {4, "", nil, 3, "n4", 0, ""},
		"as many as copies":     {3, "", nil, 2, "n3", 0, ""},
		"two remain":            {3, "", nil, 3, "n3", 2, "2 usable nodes would remain (alive and not draining), and groups have 3 replicas: add a node first (raftkv serve --join ...), or say --force"},
		"another drains":        {4, "n4", nil, 3, "n3", 2, "2 usable nodes would remain"},
		"another is dead":       {4, "", []string{"n4"}, 3, "n3", 2, "2 usable nodes would remain"},
		"the dead one of four":  {4, "", []string{"n4"}, 3, "n4", 0, ""},
		"the dead one of three": {3, "", []string{"n3"}, 3, "n3", 2, "2 usable nodes would remain"},
		"one remains":           {3, "n3", nil, 2, "n2", 1, "1 usable node would remain (alive and not draining), and groups have 2 replicas"},
		"none remains":          {2, "n2", nil, 1, "n1", -1, "without n1 no usable node would remain"},
		"no group yet":          {3, "", nil, 0, "n3", 0, ""},
		"no such node":          {3, "", nil, 3, "n9", -1, "there is no node n9"},
	} {
		m := orderedMap()
		m.Nodes = m.Nodes[:test.nodes]
		for i := range m.Groups {
			m.Groups[i].Replicas = m.Groups[i].Replicas[:min(test.replicas, len(m.Groups[i].Replicas))]
		}
		for i := range m.Nodes {
			if m.Nodes[i].ID == test.draining {
				m.Nodes[i].State = shard.Draining
			}
		}
		if copies, err := mayDrain(m, test.dead, test.node, false); copies != 0 || (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %d, %v, want %q", name, copies, err, test.says)
		}
		if copies, err := mayDrain(m, test.dead, test.node, true); (err == nil) != (test.copies >= 0) || err == nil && copies != test.copies {
			t.Errorf("%s, forced: %d, %v, want %d", name, copies, err, test.copies)
		}
	}
}

// A node that votes in group 0 is not called empty.
func TestRunningNodeIsNotRemoved(t *testing.T) {
	for says, test := range map[string]struct {
		voters int
		dead   []string
	}{
		"node n1 is empty but still runs":                   {0, nil},
		"node n1 runs and still votes in group 0; drain it": {3, nil},
		"too few other nodes answer to do without":          {3, []string{"n2", "n4"}},
	} {
		m := orderedMap()
		for i, n := range m.Nodes {
			m.Groups[0].Replicas = append(m.Groups[0].Replicas, shard.Replica{Node: n.ID, ID: n.ID + ".1", Voter: i < test.voters})
		}
		if err := mustStop(m, test.dead, "n1"); !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
}

func TestMayLead(t *testing.T) {
	m := orderedMap()
	if err := mayLead(m, 1, "n2"); err != nil {
		t.Error(err)
	}
	for says, test := range map[string]leadOrder{"no group 9": {9, "n1"}, "n4 has no vote in group 1": {1, "n4"}, "it can be led by n1, n2": {1, "n3"}, "there is no node n9": {1, "n9"}} {
		if err := mayLead(m, test.Group, test.Node); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v, want %q", test, err, says)
		}
	}
}
