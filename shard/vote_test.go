package shard

import (
	"slices"
	"testing"
)

// A vote goes to a usable node without one, or when those of others are a living quorum;
// what drains takes none, and what does not answer does not count.
func TestControllerVote(t *testing.T) {
	for name, test := range map[string]struct {
		nodes, voters  []string
		draining, dead []string
		votes, goes    bool
	}{
		"no vote":                     {[]string{"n1", "n2", "n3"}, []string{"n2", "n3"}, nil, nil, false, false},
		"one without a vote":          {[]string{"n1", "n2"}, []string{"n1"}, nil, nil, true, true},
		"the others vote":             {[]string{"n1", "n2", "n3", "n4"}, []string{"n1", "n2", "n3", "n4"}, nil, nil, true, true},
		"the one that could drains":   {[]string{"n1", "n2"}, []string{"n1"}, []string{"n2"}, nil, true, false},
		"the one that could is dead":  {[]string{"n1", "n2"}, []string{"n1"}, nil, []string{"n2"}, true, false},
		"one other is dead":           {[]string{"n1", "n2", "n3"}, []string{"n1", "n2", "n3"}, nil, []string{"n3"}, true, false},
		"of three others one is dead": {[]string{"n1", "n2", "n3", "n4"}, []string{"n1", "n2", "n3", "n4"}, nil, []string{"n4"}, true, true},
		"one other drains":            {[]string{"n1", "n2", "n3"}, []string{"n1", "n2", "n3"}, []string{"n3"}, nil, true, true},
		"all others drain":            {[]string{"n1", "n2", "n3"}, []string{"n1", "n2", "n3"}, []string{"n2", "n3"}, nil, true, false},
		"it is alone":                 {[]string{"n1"}, []string{"n1"}, nil, nil, true, false},
	} {
		m := &Map{Groups: []Group{{ID: Controller}}}
		for _, id := range test.nodes {
			n := Node{ID: id, State: Active}
			if id == "n1" || slices.Contains(test.draining, id) {
				n.State = Draining
			}
			m.Nodes = append(m.Nodes, n)
			m.Groups[0].Replicas = append(m.Groups[0].Replicas, Replica{Node: id, ID: id + ".1", Voter: slices.Contains(test.voters, id)})
		}
		votes, goes := m.ControllerVote("n1", func(n *Node) bool { return !slices.Contains(test.dead, n.ID) })
		if votes != test.votes || goes != test.goes {
			t.Errorf("%s: votes %v, goes %v", name, votes, goes)
		}
	}
	if votes, goes := new(Map).ControllerVote("n1", nil); votes || goes {
		t.Error("there is a vote without a group")
	}
}
