package node

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"raftkv/kv/group"
	"raftkv/kv/server"
	"raftkv/shard"
)

// spectator returns a node that has no replica, n1 of as many as are given, and only
// what it was told. A group is written "id from-to node node", its leader first; ' is
// for a replica without a vote, - for no slots or no leader.
func spectator(nodes int, dead []string, groups ...string) *Node {
	n := &Node{config: Config{ID: "n1"}}
	m := &shard.Map{Epoch: 9}
	for i := range nodes {
		m.Nodes = append(m.Nodes, shard.Node{ID: fmt.Sprint("n", i+1), Redis: fmt.Sprint("127.0.0.1:", 7001+i), Peer: fmt.Sprint("127.0.0.1:", 9001+i)})
	}
	t := &table{shardMap: m, targets: make([]target, 1)}
	told := &bulletin{Leaders: make(map[uint32]leading), Dead: dead}
	for _, text := range groups {
		words := strings.Fields(text)
		var g shard.Group
		fmt.Sscan(words[0], &g.ID)
		to := target{id: g.ID, leader: func() string { return "" }}
		var slots shard.Range
		if k, _ := fmt.Sscanf(words[1], "%d-%d", &slots[0], &slots[1]); k == 2 {
			to.slots = []shard.Range{slots}
		}
		if words[2] != "-" {
			told.Leaders[g.ID] = leading{Node: words[2], Term: 5}
		}
		for _, word := range words[2:] {
			if node := strings.TrimSuffix(word, "'"); node != "-" {
				g.Replicas = append(g.Replicas, shard.Replica{Node: node, ID: node + ".1", Voter: node == word})
			}
		}
		m.Groups = append(m.Groups, g)
		t.targets = append(t.targets, to)
	}
	n.groups.Store(new([]*group.Group))
	n.bulletin.Store(told)
	n.table.Store(t)
	return n
}

// roles says of each node what slots it leads, or whom it follows.
func roles(t server.Topology) string {
	var out []string
	for _, n := range t.Nodes {
		switch {
		case n.Follows != "":
			out = append(out, n.ID+" of "+n.Follows)
		default:
			out = append(out, fmt.Sprint(n.ID, n.Slots))
		}
	}
	return strings.Join(out, ", ")
}

// shown says who is named for which slots.
func shown(t server.Topology) string {
	var out []string
	for _, s := range t.Shards {
		out = append(out, fmt.Sprint(s.Slots, " ", s.Leader, s.Replicas))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// A node that leads no slots is shown with one that leads slots of which it has a copy,
// and by itself if it has none; and as a replica of those slots alone that it has.
func TestTopologyNamesThoseWithACopy(t *testing.T) {
	for _, x := range []struct {
		what         string
		n            *Node
		roles, shown string
	}{
		{
			"all slots in one of five groups",
			spectator(5, nil, "1 - n1 n2 n3", "2 - n3 n1 n4", "3 - n4 n5 n1", "4 0-16383 n2 n4 n5", "5 - n5 n1 n2"),
			"n1[], n2[0-16383], n3[], n4 of n2, n5 of n2",
			"[0-16383] n2[n4 n5]",
		},
		{
			"one group",
			spectator(3, nil, "1 0-16383 n1 n2 n3"),
			"n1[0-16383], n2 of n1, n3 of n1",
			"[0-16383] n1[n2 n3]",
		},
		{
			"one leader of two groups that others have a copy of",
			spectator(4, nil, "1 0-99 n1 n2 n3", "2 100-16383 n1 n3 n4"),
			"n1[0-16383], n2 of n1, n3 of n1, n4 of n1",
			"[0-99] n1[n2 n3], [100-16383] n1[n3 n4]",
		},
		{
			"one leader of two groups of the same nodes",
			spectator(3, nil, "1 0-99 n1 n2 n3", "2 100-16383 n1 n2 n3"),
			"n1[0-16383], n2 of n1, n3 of n1",
			"[0-16383] n1[n2 n3]",
		},
		{
			"a node that leads is nobody's replica",
			spectator(3, nil, "1 0-99 n1 n2 n3", "2 100-16383 n2 n1 n3"),
			"n1[0-99], n2[100-16383], n3 of n1",
			"[0-99] n1[n3], [100-16383] n2[]",
		},
		{
			"a copy that is not complete, and one on a node that is dead",
			spectator(3, []string{"n3"}, "1 0-16383 n1 n2' n3"),
			"n1[0-16383], n2 of n1, n3 of n1",
			"[0-16383] n1[]",
		},
		{
			"a group without a leader",
			spectator(3, nil, "1 0-99 - n1 n2 n3", "2 100-16383 n2 n3"),
			"n1[], n2[100-16383], n3 of n2",
			"[100-16383] n2[n3]",
		},
	} {
		got := routes{x.n}.Topology()
		if r := roles(got); r != x.roles {
			t.Errorf("%s: %s, want %s", x.what, r, x.roles)
		}
		if s := shown(got); s != x.shown {
			t.Errorf("%s: shown are %s, want %s", x.what, s, x.shown)
		}
	}
}

// A leader that is said to be dead is named all the same, unless this node has found it
// lost; and again as soon as it is said to live, or to lead in another term.
func TestLostLeaderIsNotNamed(t *testing.T) {
	n := spectator(5, nil, "1 0-99 n4 n5 n2", "2 100-16383 n2 n3 n5")
	check := func(what, leader string, unled int) {
		t.Helper()
		got := routes{n}.Topology()
		if is := n.leaderOf(1); is != leader || got.Unled != unled {
			t.Errorf("%s: %q leads, %d slots have no leader", what, is, got.Unled)
		}
		if at := got.Nodes[3]; (len(at.Slots) > 0) != (leader == "n4") {
			t.Errorf("%s: n4 is shown with %v", what, at.Slots)
		}
	}
	tell := func(term uint64, dead ...string) {
		now := &bulletin{Leaders: map[uint32]leading{1: {"n4", term}, 2: {"n2", 5}}, Dead: dead}
		n.bulletin.Store(now)
	}
	tell(5, "n4", "n5")
	check("said to be dead", "n4", 0)
	n.lost.Store(&lost{1: {"n4", 5}})
	check("lost", "", 100)
	tell(6, "n4", "n5")
	check("elected again", "n4", 0)
	tell(5, "n5")
	check("said to live", "n4", 0)
	tell(5, "n4", "n5")
	n.lost.Store(new(lost))
	check("not lost any more", "n4", 0)
}

// Lost is whom neither the controller nor this node nor its replica hears. Each node is
// asked once.
func TestLostLeaders(t *testing.T) {
	told := &bulletin{Dead: []string{"n4", "n5", "n6"}, Leaders: map[uint32]leading{1: {"n4", 3}, 2: {"n5", 4}, 3: {"n6", 5}, 4: {"n2", 6}, 5: {"n4", 7}}}
	asked := make(map[string]int)
	got := lostLeaders(told, func(group uint32) bool { return group == 2 }, func(node string) bool {
		asked[node]++
		return node == "n6"
	})
	if want := (lost{1: {"n4", 3}, 5: {"n4", 7}}); !maps.Equal(got, want) {
		t.Errorf("lost are %v, want %v", got, want)
	}
	if want := map[string]int{"n4": 1, "n6": 1}; !maps.Equal(asked, want) {
		t.Errorf("asked are %v, want %v", asked, want)
	}
}

// If replicas are advertised, each group is shown by itself, with all that serve reads.
func TestTopologyAdvertisesReplicas(t *testing.T) {
	n := spectator(3, nil, "1 0-99 n1 n2 n3", "2 100-199 n1 n2 n3", "3 200-16383 n3 n1 n2'")
	n.config.AdvertiseReplicas = true
	got := routes{n}.Topology()
	if want := "[0-99] n1[n2 n3], [100-199] n1[n2 n3], [200-16383] n3[n1]"; shown(got) != want || !got.EachGroup {
		t.Errorf("shown are %s, want %s", shown(got), want)
	}
	if want := "n1[0-199], n2 of n1, n3[200-16383]"; roles(got) != want {
		t.Errorf("%s, want %s", roles(got), want)
	}
}
