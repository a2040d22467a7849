package shard

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// sample is a map with something in every field.
func sample() *Map {
	m := &Map{
		Epoch:   12,
		Balance: true,
		Nodes: []Node{
			{ID: "n1", Redis: "h:7001", HTTP: "h:8001", Peer: "h:9001", Incarnation: "a", State: Active},
			{ID: "n2", Redis: "h:7002", HTTP: "h:8002", Peer: "h:9002", Incarnation: "b", State: Draining},
		},
		Groups: []Group{
			{ID: Controller, Founded: true, Replicas: []Replica{{Node: "n1", ID: "n1.1", Voter: true}, {Node: "n2", ID: "n2.2"}}},
			{ID: 1, Founded: true, Replicas: []Replica{{Node: "n1", ID: "n1.3", Voter: true}}},
			{ID: 4, Replicas: []Replica{{Node: "n2", ID: "n2.7", Voter: true}}},
		},
		Migrations: []Migration{
			{Epoch: 8, Slots: []Range{{0, 9}, {20, 20}}, From: 1, To: 4, Reason: "heat", Canceled: true},
			{Epoch: 11, Slots: []Range{{10, 11}}, From: 1, To: 4, Reason: "even out"},
		},
	}
	for slot := range 100 {
		m.Owner[slot] = 1
	}
	m.Owner[50], m.Owner[Slots-1] = 4, 4
	return m
}

func TestCheckFindsEachBrokenInvariant(t *testing.T) {
	if err := sample().Check(); err != nil {
		t.Fatal(err)
	}
	for want, damage := range map[string]func(m *Map){
		"nodes are not in order at \"n1\"":                   func(m *Map) { slices.Reverse(m.Nodes) },
		"nodes are not in order at \"n2\"":                   func(m *Map) { m.Nodes = append(m.Nodes, m.Nodes[1]) },
		"nodes are not in order at \"\"":                     func(m *Map) { m.Nodes[0].ID = "" },
		"groups are not in order at 0":                       func(m *Map) { m.Groups[0], m.Groups[1] = m.Groups[1], m.Groups[0] },
		"groups are not in order at 4":                       func(m *Map) { m.Groups = append(m.Groups, m.Groups[2]) },
		"replicas of group 0 are not in order":               func(m *Map) { slices.Reverse(m.Groups[0].Replicas) },
		"replicas of group 0 are not in order at n1":         func(m *Map) { m.Groups[0].Replicas[1].Node = "n1" },
		"group 4 has a replica on n2, which is no node":      func(m *Map) { m.Nodes = m.Nodes[:1]; m.Groups[0].Replicas = m.Groups[0].Replicas[:1] },
		"slot 7 belongs to group 9, which is not there":      func(m *Map) { m.Owner[7] = 9 },
		"migrations are not in order at 8":                   func(m *Map) { slices.Reverse(m.Migrations) },
		"migrations are not in order at 13":                  func(m *Map) { m.Migrations[1].Epoch = 13 },
		"migration 8 from group 1 to group 1":                func(m *Map) { m.Migrations[0].To = 1 },
		"migration 8 from group 1 to group 0":                func(m *Map) { m.Migrations[0].To = Controller },
		"migration 8 from group 1 to group 9":                func(m *Map) { m.Migrations[0].To = 9 },
		"migration 8 from group 0 to group 4":                func(m *Map) { m.Migrations[0].From, m.Migrations[0].Slots = Controller, []Range{{200, 201}} },
		"migration 11 from group 1 to group 4 makes":         func(m *Map) { m.Migrations[1].Slots = nil },
		"migration 11 cannot move slots 9-8":                 func(m *Map) { m.Migrations[1].Slots[0] = Range{9, 8} },
		"migration 11 cannot move slots 10-16384":            func(m *Map) { m.Migrations[1].Slots[0] = Range{10, Slots} },
		"slot 9 is in two migrations":                        func(m *Map) { m.Migrations[1].Slots[0][0] = 9 },
		"moves slot 50 from group 1, but group 4 owns it":    func(m *Map) { m.Migrations[1].Slots[0] = Range{49, 51} },
		"moves slot 16382 from group 1, but group 0 owns it": func(m *Map) { m.Migrations[1].Slots[0] = Range{16382, 16382} },
	} {
		m := sample()
		damage(m)
		if err := m.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Check() = %v, want %q", err, want)
		}
	}
}

func TestMapRoundTrip(t *testing.T) {
	for _, m := range []*Map{new(Map), sample()} {
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		got := sample() // what was there must not shine through
		if err := json.Unmarshal(b, got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, m) {
			t.Errorf("%s\nbecomes %+v", b, got)
		}
	}
}

func TestUnmarshalRefusesBrokenMaps(t *testing.T) {
	const group = `{"epoch":3,"groups":[{"id":1,"slots":[[0,9]]},{"id":2}],`
	for name, text := range map[string]string{
		"not JSON":                "{",
		"a slot too high":         `{"groups":[{"id":1,"slots":[[0,16384]]}]}`,
		"a range backwards":       `{"groups":[{"id":1,"slots":[[9,0]]}]}`,
		"a slot twice":            `{"groups":[{"id":1,"slots":[[0,9],[9,9]]}]}`,
		"the controller's slot":   `{"groups":[{"id":0,"slots":[[0,0]]}]}`,
		"a slot below 0":          `{"groups":[{"id":1,"slots":[[-1,0]]}]}`,
		"no such node":            `{"groups":[{"id":1,"replicas":[{"node":"n1"}]}]}`,
		"migration beyond slots":  `{"epoch":3,"groups":[{"id":1,"slots":[[0,16383]]},{"id":2}],"migrations":[{"epoch":1,"slots":[[0,65535]],"from":1,"to":2}]}`,
		"migration backwards":     group + `"migrations":[{"epoch":1,"slots":[[9,0]],"from":1,"to":2}]}`,
		"migration of the future": group + `"migrations":[{"epoch":4,"slots":[[0,9]],"from":1,"to":2}]}`,
	} {
		if err := json.Unmarshal([]byte(text), new(Map)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzUnmarshalMap(f *testing.F) {
	b, err := json.Marshal(sample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"epoch":3,"groups":[{"id":1,"slots":[[0,16383]]},{"id":2}],"migrations":[{"epoch":1,"slots":[[0,65535]],"from":1,"to":2}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var m Map
		if m.UnmarshalJSON(data) != nil {
			return
		}
		if err := m.Check(); err != nil {
			t.Fatalf("accepted, but %v", err)
		}
		b, err := json.Marshal(&m)
		if err != nil {
			t.Fatal(err)
		}
		var again Map
		if err := json.Unmarshal(b, &again); err != nil {
			t.Fatalf("its own JSON %s: %v", b, err)
		}
		if c, err := json.Marshal(&again); err != nil || string(c) != string(b) {
			t.Fatalf("%s\nbecomes %s, %v", b, c, err)
		}
	})
}

func TestCloneSharesNothing(t *testing.T) {
	m, want := sample(), sample()
	c := m.Clone()
	if !reflect.DeepEqual(c, want) {
		t.Fatal("a clone differs from its original")
	}
	// Change everything that can be reached from the clone.
	var spoil func(v reflect.Value)
	spoil = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				spoil(v.Field(i))
			}
		case reflect.Slice, reflect.Array:
			for i := range v.Len() {
				spoil(v.Index(i))
			}
		case reflect.String:
			v.SetString(v.String() + "!")
		case reflect.Bool:
			v.SetBool(!v.Bool())
		case reflect.Uint16, reflect.Uint32, reflect.Uint64:
			v.SetUint(v.Uint() + 1)
		default:
			t.Fatalf("Map has a %s: make this test, and Clone, know it", v.Kind())
		}
	}
	spoil(reflect.ValueOf(c).Elem())
	if !reflect.DeepEqual(m, want) {
		t.Errorf("changing a clone changes its original to %+v", m)
	}
	c = m.Clone()
	_ = append(c.Groups[1].Replicas[:0], Replica{Node: "x"})
	_ = append(c.Migrations[0].Slots[:0], Range{1, 1})
	if !reflect.DeepEqual(m, want) {
		t.Error("a clone's slices lie over its original's")
	}
}

func TestSlotsOf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m Map
		for range rapid.IntRange(0, 20).Draw(t, "runs") {
			from := rapid.IntRange(0, Slots-1).Draw(t, "from")
			to := min(Slots-1, from+rapid.SampledFrom([]int{0, 1, 7, 5000}).Draw(t, "more"))
			group := rapid.Uint32Range(0, 3).Draw(t, "group")
			for slot := from; slot <= to; slot++ {
				m.Owner[slot] = group
			}
		}
		if got := m.SlotsOf(Controller); got != nil {
			t.Fatalf("the controller owns %v", got)
		}
		for group := uint32(1); group <= 3; group++ {
			ranges := m.SlotsOf(group)
			if !slices.Equal(Normalize(slices.Clone(ranges)), ranges) {
				t.Fatalf("SlotsOf(%d) = %v: not sorted and merged", group, ranges)
			}
			for slot, owner := range m.Owner {
				in := slices.ContainsFunc(ranges, func(r Range) bool { return r.Contains(uint16(slot)) })
				if in != (owner == group) {
					t.Fatalf("SlotsOf(%d) = %v, but group %d owns slot %d", group, ranges, owner, slot)
				}
			}
		}
	})
}

func TestLookups(t *testing.T) {
	m := sample()
	if n := m.Node("n2"); n == nil || n.Redis != "h:7002" {
		t.Errorf("Node(n2) = %+v", n)
	}
	if n := m.Node("n3"); n != nil {
		t.Errorf("Node(n3) = %+v", n)
	}
	g := m.Group(4)
	if g == nil || g.ID != 4 || g.On("n2") == nil || g.On("n2").ID != "n2.7" || g.On("n1") != nil {
		t.Errorf("Group(4) = %+v", g)
	}
	if g := m.Group(2); g != nil {
		t.Errorf("Group(2) = %+v", g)
	}
	for slot, want := range map[uint16]uint64{0: 8, 9: 8, 10: 11, 11: 11, 12: 0, 19: 0, 20: 8, 21: 0, Slots - 1: 0} {
		var got uint64
		if x := m.Migrating(slot); x != nil {
			got = x.Epoch
		}
		if got != want {
			t.Errorf("slot %d is moved by migration %d, want %d", slot, got, want)
		}
	}
}
