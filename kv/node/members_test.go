package node

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/raft"
	"pgregory.net/rapid"
)

// parseView reads "want | have": ids, in have with ' if they do not vote, ! if they
// are dead and ~ if they lag behind. The first of have leads.
func parseView(text string, voters int) membersView {
	want, have, _ := strings.Cut(text, "|")
	v := membersView{voters: voters}
	for _, id := range strings.Fields(want) {
		name := strings.TrimRight(id, "'")
		v.want = append(v.want, wanted{id: raft.ServerID(name), addr: raft.ServerAddress(name), voter: name == id})
	}
	dead, slow := make(map[raft.ServerID]bool), make(map[raft.ServerID]bool)
	for _, text := range strings.Fields(have) {
		name := strings.TrimRight(text, "'!~")
		s := raft.Server{ID: raft.ServerID(name), Address: raft.ServerAddress(name)}
		if strings.Contains(text, "'") {
			s.Suffrage = raft.Nonvoter
		}
		dead[s.ID], slow[s.ID] = strings.Contains(text, "!"), strings.Contains(text, "~")
		v.have = append(v.have, s)
	}
	v.self = v.have[0].ID
	v.mayVote = func(raft.ServerID) bool { return true }
	v.alive = func(id raft.ServerID) bool { return !dead[id] }
	v.caughtUp = func(id raft.ServerID) bool { return !slow[id] } // by its last answer
	return v
}

func TestNextStepOfMembers(t *testing.T) {
	for _, c := range []struct {
		view, want string
		voters     int
	}{
		{"a.1 b.1 c.1 | a.1 b.1 c.1", "", 3},
		{"a.1 b.2' | a.1", "add b.2", 2},
		{"a.1 b.2' | a.1 b.2'", "promote b.2", 2},
		{"a.1 b.2' | a.1 b.2'~", "", 2},
		{"a.1 b.2' | a.1 b.2'!", "", 2}, // it died when it had caught up
		{"a.1 b.1 c.1 d.5' | a.1 b.1 c.1! d.5'!", "", 4},
		{"a.1 b.2' | a.1 b.2", "record b.2", 2},
		{"a.1 b.2 c.3' | a.1 b.2 c.3'", "", 2}, // enough vote
		// A replica that was lost goes before its successor comes.
		{"a.1 b.1 c.5' | a.1 b.1 c.1!", "remove c.1", 3},
		{"a.1 b.1 c.5' | a.1 b.1! c.1!", "", 3},
		{"a.1 b.1 c.5' | a.1 b.1", "add c.5", 3},
		// A move: the new one votes before the old one goes.
		{"a.1 b.1 d.5' | a.1 b.1 c.1", "add d.5", 3},
		{"a.1 b.1 d.5' | a.1 b.1 c.1 d.5'~", "", 3},
		{"a.1 b.1 d.5' | a.1 b.1 c.1 d.5'", "promote d.5", 3},
		{"a.1 b.1 d.5 | a.1 b.1 c.1 d.5", "remove c.1", 3},
		{"a.1 b.1 | a.1 b.1! c.1", "", 2}, // c.1 is what is left of the quorum
		{"a.1 b.1 | a.1 b.1 c.1'", "remove c.1", 2},
		// The leader goes last, and lets another lead.
		{"b.1 d.5 | a.1 b.1 c.1 d.5", "remove c.1", 2},
		{"b.1 d.5 | a.1 b.1 d.5", "hand over b.1", 2},
		{"b.1 d.5 | a.1 b.1! d.5", "hand over d.5", 2},
		{"a.5' b.1 c.1 | a.1 b.1 c.1", "hand over b.1", 3},
		{"b.1 | a.1 b.1!", "", 1},
	} {
		got := parseView(c.view, c.voters).next()
		if text := strings.TrimSpace(fmt.Sprint(got.kind, " ", got.id)); text != c.want {
			t.Errorf("%s: %q, want %q", c.view, text, c.want)
		}
	}
	named := parseView("a.1 b.1' c.1' | a.1 b.1' c.1'", 3)
	named.mayVote = func(id raft.ServerID) bool { return id == "c.1" }
	if got := named.next(); got != (step{kind: promote, id: "c.1"}) {
		t.Errorf("b.1 is not to vote: %+v", got)
	}
	moved := parseView("a.1 b.1 | a.1 b.1", 2)
	moved.want[1].addr = "elsewhere"
	if got := moved.next(); got != (step{add, "b.1", "elsewhere"}) {
		t.Errorf("a new address: %+v", got)
	}
}

// From any members the steps lead to those of the map in bounded time, whoever
// leads, and no step leaves less than a living quorum.
func TestMembersReachTheMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a-e]\.[1-3]`)
		node := func(id string) string { return id[:1] }
		have := rapid.SliceOfNDistinct(name, 1, 4, node).Draw(t, "have")
		want := rapid.SliceOfNDistinct(name, 1, 4, node).Draw(t, "want")
		if len(want) == 1 && want[0] != have[0] && node(want[0]) == node(have[0]) && len(have) == 1 {
			t.Skip("a lonely replica has no successor on its own node: the controller refuses that")
		}
		text := ""
		for _, id := range want {
			if !slices.Contains(have, id) {
				id += "'"
			}
			text += id + " "
		}
		v := parseView(text+"| "+strings.Join(have, " "), len(want))
		// Nodes with another replica than is wanted have closed the old one.
		gone := func(id raft.ServerID) bool { return v.wants(id) == nil && v.self != id && rapid.Bool().Draw(t, "dead") }
		dead := make(map[raft.ServerID]bool)
		for i, s := range v.have {
			if len(dead) < (len(v.have)-1)/2 && i > 0 && gone(s.ID) {
				dead[s.ID] = true
			}
		}
		v.alive = func(id raft.ServerID) bool { return !dead[id] }
		v.caughtUp = v.alive
		for range 30 {
			step := v.next()
			switch step.kind {
			case nothing:
				for _, w := range v.want {
					if s := v.find(w.id); s == nil || s.Suffrage != raft.Voter || !w.voter {
						t.Fatalf("it ends with %v, want %v", v.have, v.want)
					}
				}
				if len(v.have) != len(v.want) {
					t.Fatalf("it ends with %v, want %v", v.have, v.want)
				}
				return
			case add:
				v.have = append(v.have, raft.Server{ID: step.id, Address: step.addr, Suffrage: raft.Nonvoter})
			case promote:
				v.find(step.id).Suffrage = raft.Voter
			case record:
				v.wants(step.id).voter = true
			case handOver:
				v.self = step.id
			case remove:
				v.have = slices.DeleteFunc(v.have, func(s raft.Server) bool { return s.ID == step.id })
			}
			voters, living := 0, 0
			addrs := make(map[string]bool)
			for _, s := range v.have {
				if addrs[nodeOf(s.ID)] {
					t.Fatalf("after %+v two members are on a node: %v", step, v.have)
				}
				addrs[nodeOf(s.ID)] = true
				if s.Suffrage == raft.Voter {
					voters++
					if v.alive(s.ID) {
						living++
					}
				}
			}
			if v.find(v.self) == nil || living < voters/2+1 {
				t.Fatalf("after %+v: %v, led by %s", step, v.have, v.self)
			}
		}
		t.Fatalf("no end: %v, want %v", v.have, v.want)
	})
}
