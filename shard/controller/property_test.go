package controller

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"raftkv/shard"
)

// drawCommand draws a command that makes sense often enough: it names what is
// there, what was there and what never was.
func drawCommand(t *rapid.T, m *shard.Map, seen []string) []byte {
	node := func() string {
		return rapid.SampledFrom([]string{"n1", "n2", "n3", "n4", "n5", "n6", "n7"}).Draw(t, "node")
	}
	group := func() uint32 {
		if len(m.Groups) > 1 && rapid.IntRange(0, 9).Draw(t, "there") > 0 {
			return rapid.SampledFrom(m.Groups).Draw(t, "group").ID
		}
		return rapid.Uint32Range(0, 8).Draw(t, "any group")
	}
	// replica returns a group and a replica that is, if possible, its own.
	replica := func() (uint32, string) {
		g := m.Group(group())
		if g != nil && len(g.Replicas) > 0 && rapid.IntRange(0, 9).Draw(t, "its own") > 0 {
			return g.ID, rapid.SampledFrom(g.Replicas).Draw(t, "replica").ID
		}
		return group(), rapid.SampledFrom(append([]string{"n1.1", "zz"}, seen...)).Draw(t, "any replica")
	}
	some := func() []shard.Range {
		var out []shard.Range
		for range rapid.IntRange(0, 3).Draw(t, "ranges") {
			// Slots are few and in blocks, so that ranges meet each other.
			from := uint16(rapid.SampledFrom([]int{0, 2, 3, 10, 17, 18, 20, 25, 40, 60}).Draw(t, "from")) * 10
			out = append(out, shard.Range{from, from + uint16(rapid.SampledFrom([]int{9, 9, 29, 0}).Draw(t, "more"))})
		}
		return out
	}
	owned := func(group uint32) []shard.Range {
		if all := m.SlotsOf(group); len(all) > 0 && rapid.IntRange(0, 3).Draw(t, "its slots") > 0 {
			return []shard.Range{rapid.SampledFrom(all).Draw(t, "range")}
		}
		return some()
	}
	migration := func() uint64 {
		if len(m.Migrations) > 0 && rapid.IntRange(0, 3).Draw(t, "under way") > 0 {
			return rapid.SampledFrom(m.Migrations).Draw(t, "migration").Epoch
		}
		return rapid.Uint64Range(0, m.Epoch+2).Draw(t, "any epoch")
	}
	var cmd []byte
	// Small numbers are drawn more often.
	switch rapid.IntRange(0, 20).Draw(t, "op") {
	case 0, 1, 2:
		from := group()
		cmd = StartMigration(owned(from), from, group(), rapid.SampledFrom([]string{"heat", "a <person> said so"}).Draw(t, "reason"))
	case 3:
		cmd = FinishMigration(migration())
	case 4:
		cmd = rapid.SampledFrom([]func(uint64) []byte{CancelMigration, AbortMigration}).Draw(t, "stop")(migration())
	case 5:
		slots := some()
		if rapid.Bool().Draw(t, "elsewhere") { // where no migration has been
			from := uint16(rapid.IntRange(700, 9000).Draw(t, "slot"))
			slots = []shard.Range{{from, from + 3}}
		}
		cmd = AssignSlots(group(), slots)
	case 6:
		cmd = PromoteReplica(replica())
		for _, g := range m.Groups {
			for _, r := range g.Replicas {
				if !r.Voter {
					cmd = PromoteReplica(g.ID, r.ID)
				}
			}
		}
	case 7:
		cmd = AddReplica(group(), node())
	case 8:
		cmd = ReplaceReplica(replica())
	case 9:
		cmd = RemoveReplica(replica())
	case 10, 11:
		cmd = FoundGroup(group())
		if n := len(m.Groups); n > 0 && !m.Groups[n-1].Founded {
			cmd = FoundGroup(m.Groups[n-1].ID)
		}
	case 12, 13:
		cmd = PutNode(shard.Node{
			ID:          node(),
			Redis:       rapid.SampledFrom([]string{"h:1", "h:2", "<&>"}).Draw(t, "address"),
			Incarnation: rapid.SampledFrom([]string{"first", "first", "first", "second", ""}).Draw(t, "incarnation"),
		})
	case 14, 15:
		cmd = AddGroup(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
			return rapid.SampledFrom([]string{"n1", "n2", "n3", "n4"}).Draw(t, "node")
		}), 0, 3).Draw(t, "nodes"))
	case 16:
		cmd = RemoveGroup(group())
		if n := len(m.Groups); n > 0 {
			cmd = RemoveGroup(m.Groups[n-1].ID) // which may be new and empty
		}
	case 17:
		cmd = RemoveNode(rapid.SampledFrom([]string{"n5", "n6", "n7", "n1"}).Draw(t, "node"))
	case 18:
		cmd = Drain(node())
	case 19:
		cmd = Undrain(node())
		for _, n := range m.Nodes {
			if n.State == shard.Draining {
				cmd = Undrain(n.ID)
			}
		}
	case 20:
		cmd = SetBalance(rapid.Bool().Draw(t, "on"))
	}
	if rapid.IntRange(0, 9).Draw(t, "guarded") == 0 {
		cmd = At(m.Epoch-min(m.Epoch, rapid.Uint64Range(0, 1).Draw(t, "behind")), cmd)
	}
	return cmd
}

// grow makes a cluster in which most commands have something to do.
func grow(t testing.TB) (s *State, maps []*shard.Map) {
	s = New()
	maps = append(maps, s.Map())
	for _, cmd := range [][]byte{
		PutNode(node("n1")), PutNode(node("n2")), PutNode(node("n3")), PutNode(node("n4")), PutNode(node("n5")),
		AddGroup([]string{"n1", "n2"}), AddGroup([]string{"n2", "n3"}), AddGroup([]string{"n4"}),
		FoundGroup(1), FoundGroup(2), FoundGroup(3),
		AssignSlots(1, []shard.Range{{0, 99}}), AssignSlots(2, []shard.Range{{100, 179}}),
		StartMigration([]shard.Range{{20, 39}}, 1, 2, "heat"), AddReplica(3, "n1"),
	} {
		apply(t, s, cmd)
		maps = append(maps, s.Map())
	}
	return s, maps
}

// plain is a map as JSON but for its epoch, which comes first.
func plain(t rapid.TB, m *shard.Map) string {
	_, rest, _ := strings.Cut(text(t, m), ",")
	return rest
}

func TestAnyCommandsKeepThePromises(t *testing.T) {
	accepted := map[string]int{}
	grown, grownMaps := grow(t)
	grown.history.limit = 1 << 30
	var grownTexts []string
	for _, m := range grownMaps {
		grownTexts = append(grownTexts, text(t, m))
	}
	check := func(t *rapid.T) {
		s, shared, maps := New(), grownMaps[:1:1], grownTexts[:1:1]
		s.history.limit = 1 << 30
		if rapid.IntRange(0, 3).Draw(t, "grown") > 0 {
			s, shared, maps = grown.Clone(), slices.Clip(grownMaps), slices.Clip(grownTexts)
		}
		twin, now := s.Clone(), text(t, s)
		var seen []string            // replica ids, in the order of their making
		known := map[string]string{} // replica id -> group and node
		for range rapid.IntRange(15, 50).Draw(t, "commands") {
			cmd := drawCommand(t, s.Map(), seen)
			old := s.Map()

			reply, err := s.Apply(cmd, 0)
			again, errAgain := twin.Apply(cmd, 0)
			if string(reply) != string(again) || fmt.Sprint(err) != fmt.Sprint(errAgain) {
				t.Fatalf("%s: one state answers %s, %v, its twin %s, %v", cmd, reply, err, again, errAgain)
			}
			m := s.Map()
			if err := m.Check(); err != nil {
				t.Fatalf("%s: %v", cmd, err)
			}
			before := now
			now = text(t, s)
			switch {
			case err != nil:
				if now != before || m != old {
					t.Fatalf("%s: refused (%v), but the state changed", cmd, err)
				}
				continue
			case m.Epoch == old.Epoch:
				if now != before || m != old {
					t.Fatalf("%s: changed the state without a new epoch", cmd)
				}
			case m.Epoch == old.Epoch+1:
				if plain(t, m) == plain(t, old) {
					t.Fatalf("%s: made epoch %d of nothing", cmd, m.Epoch)
				}
				maps = append(maps, text(t, m))
				shared = append(shared, m)
				c, _ := decode(cmd)
				accepted[c.Op]++
			default:
				t.Fatalf("%s: from epoch %d to %d", cmd, old.Epoch, m.Epoch)
			}
			var r Reply
			if err := json.Unmarshal(reply, &r); err != nil || r.Epoch != m.Epoch {
				t.Fatalf("%s: reply %s at epoch %d, %v", cmd, reply, m.Epoch, err)
			}
			present := map[string]bool{}
			for _, g := range m.Groups {
				if g.ID == shard.Controller && voters(&g) == 0 {
					t.Fatalf("%s: group 0 has no voters", cmd)
				}
				for _, r := range g.Replicas {
					home := fmt.Sprint(g.ID, "/", r.Node)
					was, ok := known[r.ID]
					if ok && was != home {
						t.Fatalf("%s: replica %s of %s is one of %s now", cmd, r.ID, was, home)
					}
					if !ok {
						known[r.ID] = home
						seen = append(seen, r.ID)
					}
					present[r.ID] = true
				}
			}
			for id := range known {
				if !present[id] {
					known[id] = "one that was removed" // never again
				}
			}
			for _, g := range old.Groups {
				now := m.Group(g.ID)
				if c, _ := decode(cmd); now != nil && c.Op != "put-node" && voters(&g) > 0 && voters(now) == 0 {
					t.Fatalf("%s: took the last vote of group %d", cmd, g.ID)
				}
			}
			if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
				// The twin goes on from a snapshot.
				b := text(t, twin)
				twin = New()
				if err := json.Unmarshal([]byte(b), twin); err != nil {
					t.Fatal(err)
				}
				twin.history.limit = 1 << 30
				if got := text(t, twin); got != b {
					t.Fatalf("%s\nbecomes %s", b, got)
				}
			}
		}
		if a, b := text(t, s), text(t, twin); a != b {
			t.Fatalf("twins differ:\n%s\n%s", a, b)
		}
		for epoch, want := range maps {
			if got := text(t, shared[epoch]); got != want {
				t.Fatalf("the map of epoch %d has been changed, from %s to %s", epoch, want, got)
			}
			m, err := twin.MapAt(uint64(epoch))
			if err != nil {
				t.Fatal(err)
			}
			if got := text(t, m); got != want {
				t.Fatalf("MapAt(%d) = %s, want %s", epoch, got, want)
			}
		}
	}
	missing := func() (ops []string) {
		for op := range rules {
			if accepted[op] == 0 {
				ops = append(ops, op)
			}
		}
		return ops
	}
	// Some commands are accepted a few times in a hundred tests, so that of few tests there
	// may be none.
	for tries := 0; tries == 0 || tries < 10 && len(missing()) > 0 && !t.Failed(); tries++ {
		rapid.Check(t, check)
	}
	t.Log(accepted)
	if ops := missing(); len(ops) > 0 {
		t.Errorf("never accepted, so that the test says nothing about them: %v", ops)
	}
}
