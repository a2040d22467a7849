package node

import (
	"context"
	"fmt"
	"slices"

	"raftkv/shard"
	"raftkv/shard/controller"
)

// Change changes the map for a person, wherever the controller's leader is;
// change comes from package controller. It returns when this node has the map with
// the change, so that who asks it next sees what he did.
func (n *Node) Change(ctx context.Context, change []byte) (controller.Reply, error) {
	reply, err := n.control(ctx, change)
	if err != nil {
		return reply, err
	}
	n.log.Info("a person changes the map", "topic", "membership", "epoch", reply.Epoch, "change", string(change))
	return reply, n.waitEpoch(ctx, reply.Epoch)
}

// waitEpoch waits until this node has the map of an epoch, or a newer one.
func (n *Node) waitEpoch(ctx context.Context, epoch uint64) error {
	for {
		changed := n.rerouted.next()
		if n.shardMap().Epoch >= epoch && n.table.Load().shardMap.Epoch >= epoch {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("it is done, but this node has not heard of it yet: %w", ctx.Err())
		}
	}
}

// MoveSlots begins to move slots to a group, with a migration for each group that
// owns some of them, and returns their epochs. Slots that the group owns already, or
// that are on their way to it, are left as they are.
func (n *Node) MoveSlots(ctx context.Context, slots []shard.Range, to uint32, reason string) ([]uint64, error) {
	m := n.shardMap()
	if to == shard.Controller || m.Group(to) == nil {
		return nil, fmt.Errorf("there is no group %d that could own slots", to)
	}
	var out []uint64
	by := make(map[uint32][]shard.Range)
	for slot := range shard.Each(slots) {
		owner := m.Owner[slot]
		if x := m.Migrating(slot); x != nil && x.To == to && !x.Canceled {
			if !slices.Contains(out, x.Epoch) {
				out = append(out, x.Epoch)
			}
			continue
		}
		if owner != to {
			by[owner] = append(by[owner], shard.Range{slot, slot})
		}
	}
	for _, g := range m.Groups {
		if len(by[g.ID]) == 0 {
			continue
		}
		reply, err := n.Change(ctx, controller.StartMigration(shard.Normalize(by[g.ID]), g.ID, to, reason))
		if err != nil {
			return out, err
		}
		out = append(out, reply.Migration)
	}
	return out, nil
}

// MoveLeader makes a node lead a group of which it has a voter. It does nothing if
// the node leads already.
func (n *Node) MoveLeader(ctx context.Context, group uint32, to string) error {
	placed := n.shardMap().Group(group)
	switch {
	case placed == nil:
		return fmt.Errorf("there is no group %d", group)
	case placed.On(to) == nil:
		return fmt.Errorf("%s has no replica of group %d", to, group)
	case !placed.On(to).Voter:
		return fmt.Errorf("the replica of group %d on %s does not vote yet: try again when it has caught up", group, to)
	}
	return n.letLead(ctx, leadOrder{Group: group, Node: to})
}
