package node

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/kv/fsm"
	"raftkv/kv/group"
	"raftkv/shard"
	"raftkv/shard/controller"
	"raftkv/shard/plan"
)

const (
	// mostVoters bounds how many members of group 0 vote: as many as shall, and as
	// many again if all of those are to be replaced, which go when the new ones vote.
	mostVoters = 2 * controller.ControllerVoters
	// preferFor is how long a new group waits for the one that shall lead it.
	preferFor = 2 * time.Second
	// changeTimeout bounds one change of a group's members.
	changeTimeout = 5 * time.Second
)

// tendGroups makes the groups that this node leads follow the map: their slots,
// their members, and the settings in their logs. What is so already costs nothing;
// what fails is tried again when it is called next.
func (n *Node) tendGroups(ctx context.Context) {
	m := n.shardMap()
	for _, g := range *n.groups.Load() {
		if !g.Serving() || ctx.Err() != nil {
			continue
		}
		n.logFailure("the group is not set up yet", g.ID(), n.establish(m, g))
		n.logFailure("the group's members are not those of the map yet", g.ID(), n.alignMembers(ctx, m, g))
	}
}

// establish gives a new group its slots, and keeps the limit of values in its
// log equal to this node's.
func (n *Node) establish(m *shard.Map, g *group.Group) error {
	if g.ID() == shard.Controller {
		return nil
	}
	if g.State().MaxValue() != n.config.MaxValue {
		if _, err := g.Admin(fsm.LimitValue(n.config.MaxValue)); err != nil {
			return err
		}
	}
	if n.slotsTaken[g.ID()] == m {
		return nil
	}
	slots := g.State().Untouched(m.SlotsOf(g.ID()))
	if len(slots) == 0 {
		n.slotsTaken[g.ID()] = m
		return nil
	}
	// Leaders spread from the beginning: the one that shall lead takes the slots.
	if waits, err := n.prefer(m, g); waits || err != nil {
		return err
	}
	// The map may be old, but not in this: slots that have never been here cannot
	// have moved on, since this group would have had to let them go. The group's log
	// sees to it that no others are taken, by whatever leader (fsm.OwnSlots).
	n.log.Info("the new group takes its slots", "topic", "membership", "group", g.ID(), "epoch", m.Epoch, "slots", fmt.Sprint(slots))
	_, err := g.Admin(fsm.OwnSlots(m.Epoch, slots...))
	return err
}

// prefer hands a new group to the replica that shall lead it. It tells whether to
// wait for that.
func (n *Node) prefer(m *shard.Map, g *group.Group) (waits bool, err error) {
	first := preferredLeader(m, g.ID())
	if first == "" || first == string(g.Replica()) {
		return false, nil
	}
	since, known := n.ledSince[g.ID()]
	if !known {
		since = time.Now()
		n.ledSince[g.ID()] = since
	}
	if time.Since(since) > preferFor {
		return false, nil
	}
	if time.Since(g.Heard(first)) > aliveFor || !g.CaughtUp(raft.ServerID(first)) {
		return true, nil // it is starting
	}
	return true, g.TransferLeadership(raft.ServerID(first))
}

// electorate lists, on the controller's leader, the replicas of group 0 that vote
// by the map, and those of which one is to vote next. Those wait until the map tells
// of all votes that there are: whoever has the planner's word counts on it.
func (n *Node) electorate(m *shard.Map, g *group.Group) (out []string) {
	unrecorded := false
	for _, r := range m.Group(shard.Controller).Replicas {
		if r.Voter {
			out = append(out, r.ID)
			continue
		}
		unrecorded = unrecorded || slices.ContainsFunc(g.Servers(), func(s raft.Server) bool {
			return string(s.ID) == r.ID && s.Suffrage == raft.Voter
		})
	}
	if unrecorded {
		return out
	}
	// Nodes are silent since this leader began at most, not since the last one did.
	n.board.begin(g.Term(), n.bulletin.Load())
	return append(out, plan.Promotable(n.planNodes(g, m), shard.Controller)...)
}

// alignMembers makes one change, if one is needed, by which the members of a group
// that this node leads come nearer to the map.
func (n *Node) alignMembers(ctx context.Context, m *shard.Map, g *group.Group) error {
	placed := m.Group(g.ID())
	if placed == nil {
		return nil
	}
	view := membersView{self: g.Replica(), have: g.Servers(), voters: len(placed.Replicas)}
	view.mayVote = func(raft.ServerID) bool { return true }
	if g.ID() == shard.Controller {
		electorate := n.electorate(m, g)
		view.voters = mostVoters
		view.mayVote = func(id raft.ServerID) bool { return slices.Contains(electorate, string(id)) }
	}
	for _, r := range placed.Replicas {
		view.want = append(view.want, wanted{
			id: raft.ServerID(r.ID), addr: raft.ServerAddress(m.Node(r.Node).Peer), voter: r.Voter,
		})
	}
	view.alive = func(id raft.ServerID) bool { return id == g.Replica() || time.Since(g.Heard(string(id))) < aliveFor }
	view.caughtUp = func(id raft.ServerID) bool { return id == g.Replica() || g.CaughtUp(id) }
	step := view.next()
	if step.kind == nothing {
		return nil
	}
	n.log.Info("members: "+string(step.kind), "topic", "membership", "group", g.ID(), "replica", string(step.id), "epoch", m.Epoch)
	defer n.nudge() // there may be more to do
	ctx, cancel := context.WithTimeout(ctx, changeTimeout)
	defer cancel()
	switch step.kind {
	case add:
		return g.AddNonvoter(ctx, step.id, step.addr)
	case promote:
		return g.Promote(ctx, step.id)
	case record:
		_, err := n.control(ctx, controller.PromoteReplica(g.ID(), string(step.id)))
		return err
	case handOver:
		return g.TransferLeadership(step.id)
	case remove:
		return g.RemoveReplica(ctx, step.id)
	}
	return nil
}
