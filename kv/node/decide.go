package node

import (
	"fmt"
	"slices"

	"raftkv/shard"
	"raftkv/shard/controller"
)

// replicasWanted is how many replicas a group shall have, if there are nodes.
const replicasWanted = 3

// nextDecision returns the next step by which a new cluster gets its groups and
// slots; nil if there is nothing to do. What comes later is the planner's.
// It is a pure function: whoever leads the controller goes on where the last one
// stopped.
func nextDecision(m *shard.Map, now *bulletin, begin initial) *decision {
	if d := beginAnew(m); d != nil {
		return d
	}
	for i := range m.Groups {
		g := &m.Groups[i]
		if lead := now.Leaders[g.ID]; !g.Founded && lead.Node != "" {
			return decide(m, controller.FoundGroup(g.ID), "group %d is founded: %s leads it", g.ID, lead.Node)
		}
	}
	return beginCluster(m, begin)
}

// decide makes a decision that holds for this map alone: it was made by its sight.
func decide(m *shard.Map, change []byte, reason string, args ...any) *decision {
	return &decision{change: controller.At(m.Epoch, change), reason: fmt.Sprintf(reason, args...)}
}

// beginCluster makes the first groups, and gives each of them its part of the
// slots once it is founded.
func beginCluster(m *shard.Map, begin initial) *decision {
	groups := dataGroups(m)
	nodes := activeNodes(m, nil)
	if len(groups) == 0 && len(nodes) > 0 && !m.Balance {
		return decide(m, controller.SetBalance(true), "a new cluster: the balancer is on")
	}
	switch want := begin.groups(); {
	case !slices.Contains(m.Owner[:], shard.Controller) || len(nodes) < begin.Nodes || len(nodes) == 0:
		return nil
	case len(groups) < want:
		on := rotation(nodes, len(groups), replicasWanted)
		return decide(m, controller.AddGroup(on), "a new cluster: group %d of %d, on %v", len(groups)+1, want, on)
	}
	for i, g := range groups {
		part := shard.Range{uint16(i * shard.Slots / len(groups)), uint16((i+1)*shard.Slots/len(groups) - 1)}
		if g.Founded && m.Owner[part.From()] == shard.Controller {
			return decide(m, controller.AssignSlots(g.ID, []shard.Range{part}), "a new cluster: slots %v begin in group %d", part, g.ID)
		}
	}
	return nil
}

// beginAnew gives up a first group that lost a replica before it was founded, as
// when a node was wiped. Some replicas may have begun it with that one and others
// without it: raft would not notice that they differ. It has had no slots.
func beginAnew(m *shard.Map) *decision {
	if !slices.Contains(m.Owner[:], shard.Controller) {
		return nil
	}
	for _, g := range dataGroups(m) {
		if whole := min(replicasWanted, len(activeNodes(m, nil))); !g.Founded && len(g.Replicas) < whole {
			return decide(m, controller.RemoveGroup(g.ID), "a new cluster: group %d has %d replicas of %d before it is founded, and begins anew", g.ID, len(g.Replicas), whole)
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
