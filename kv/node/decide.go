package node

import (
	"fmt"
	"slices"

	"raftkv/shard"
	"raftkv/shard/controller"
	"raftkv/shard/plan"
)

// replicasWanted is how many replicas a group shall have, if there are nodes.
const replicasWanted = 3

// settleFounding returns the change of the map by which the founding of a group
// ends, and the reason; nil if there is none to end. Nodes that are gone have been
// silent for so long that their replicas are replaced. A group that is given up
// may have been founded, unheard; it has no slots and its number is not used again,
// so whoever comes back with it serves nothing and closes it.
func settleFounding(m *shard.Map, now *bulletin, gone []string) (change []byte, reason string) {
	begins := slices.Contains(m.Owner[:], shard.Controller) // later ones are the planner's
	whole := min(replicasWanted, len(activeNodes(m, nil)))
	if len(dataGroups(m)) == 0 && whole > 0 && !m.Balance {
		return controller.SetBalance(true), "a new cluster"
	}
	for i := range m.Groups {
		g := &m.Groups[i]
		switch lead := now.Leaders[g.ID]; {
		case g.Founded:
		case len(g.Replicas) < whole && begins:
			// A first group lost a replica before it was founded, as when a node was
			// wiped. Some replicas may have begun it with that one and others without
			// it: raft would not notice that they differ. It has had no slots.
			return controller.RemoveGroup(g.ID), fmt.Sprintf("a new cluster: group %d has %d replicas of %d before it is founded, and begins anew", g.ID, len(g.Replicas), whole)
		case lead.Node != "":
			return controller.FoundGroup(g.ID), fmt.Sprintf("%s leads it", lead.Node)
		case begins && without(g, gone) < len(g.Replicas)/2+1 && len(activeNodes(m, gone)) > 0:
			return controller.RemoveGroup(g.ID), fmt.Sprintf("a new cluster: of the %d nodes of group %d only %d live before it is founded, and it begins anew", len(g.Replicas), g.ID, without(g, gone))
		}
	}
	return nil, ""
}

// without counts a group's replicas that are not on some nodes.
func without(g *shard.Group, nodes []string) (count int) {
	for _, r := range g.Replicas {
		if !slices.Contains(nodes, r.Node) {
			count++
		}
	}
	return count
}

// beginCluster makes the first groups, on nodes that are not gone, and gives each
// of them its part of the slots once it is founded.
func beginCluster(m *shard.Map, begin initial, gone []string) *plan.Action {
	groups := dataGroups(m)
	nodes := activeNodes(m, nil)
	switch want := begin.groups(); {
	case !slices.Contains(m.Owner[:], shard.Controller) || len(nodes) < begin.Nodes || len(activeNodes(m, gone)) == 0:
		return nil
	case len(groups) < want:
		on := rotation(activeNodes(m, gone), len(groups), replicasWanted)
		return &plan.Action{Kind: plan.AddGroup, Nodes: on, Reason: fmt.Sprintf("a new cluster, group %d of %d", len(groups)+1, want)}
	}
	part := func(i int) shard.Range {
		return shard.Range{uint16(i * shard.Slots / len(groups)), uint16((i+1)*shard.Slots/len(groups) - 1)}
	}
	free := func(i int) bool { return m.Owner[part(i).From()] == shard.Controller }
	for i, g := range groups {
		if !g.Founded || slices.Contains(m.Owner[:], g.ID) {
			continue
		}
		// A group that came for one that was given up finds others in its place.
		for j := 0; !free(i) && j < len(groups); j++ {
			if free(j) {
				i = j
			}
		}
		if free(i) {
			return &plan.Action{
				Kind: plan.AssignSlots, Assign: []plan.Assignment{{Group: g.ID, Slots: []shard.Range{part(i)}}},
				Reason: "a new cluster",
			}
		}
	}
	return nil
}

// rotation returns up to count nodes, beginning with the one whose turn it is: so
// replicas and, first of all, leaders spread.
func rotation(nodes []string, turn, count int) []string {
	out := make([]string, 0, count)
	for i := range min(count, len(nodes)) {
		out = append(out, nodes[(turn+i)%len(nodes)])
	}
	return out
}

// dataGroups lists all groups but the controller's.
func dataGroups(m *shard.Map) []shard.Group {
	if len(m.Groups) > 0 && m.Groups[0].ID == shard.Controller {
		return m.Groups[1:]
	}
	return m.Groups
}

// activeNodes lists the nodes that may be given something.
func activeNodes(m *shard.Map, dead []string) []string {
	var out []string
	for _, n := range m.Nodes {
		if n.State == shard.Active && !slices.Contains(dead, n.ID) {
			out = append(out, n.ID)
		}
	}
	return out
}

// preferredLeader returns the replica of a group that shall lead it first: each
// node gets its share of groups.
func preferredLeader(m *shard.Map, group uint32) string {
	share := make(map[string]int)
	for _, g := range dataGroups(m) {
		var best *shard.Replica
		for i := range g.Replicas {
			if r := &g.Replicas[i]; r.Voter && (best == nil || share[r.Node] < share[best.Node]) {
				best = r
			}
		}
		if best == nil {
			continue
		}
		if g.ID == group {
			return best.ID
		}
		share[best.Node]++
	}
	return ""
}
