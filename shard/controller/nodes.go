package controller

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"raftkv/shard"
)

// ControllerVoters is how many voters group 0 has at most by itself: more would
// cost every change of the map and bear no failure that matters.
const ControllerVoters = 5

// validNode keeps dots out of node ids, so that a replica id tells its node.
var validNode = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func putNode(ch *change, c command) error {
	if c.Record == nil {
		return errors.New("the command has no node record")
	}
	if !validNode.MatchString(c.Record.ID) {
		return fmt.Errorf("node id %q: use up to 64 letters, digits, - and _", c.Record.ID)
	}
	record := *c.Record
	if record.Incarnation == "" {
		return fmt.Errorf("node %s has no incarnation: without it nobody can tell whether its folder lost anything", record.ID)
	}
	record.State = shard.Active
	switch old := ch.Node(record.ID); {
	case old == nil:
		at, _ := slices.BinarySearchFunc(ch.Nodes, record.ID, compareNode)
		ch.Nodes = slices.Insert(ch.Nodes, at, record)
		ch.changed = true
	default:
		if old.Incarnation != record.Incarnation {
			for i := range ch.Groups {
				ch.Groups[i].Replicas = slices.DeleteFunc(ch.Groups[i].Replicas, func(r shard.Replica) bool { return r.Node == record.ID })
			}
		}
		record.State = old.State
		ch.changed = *old != record
		*old = record
	}
	if ch.Group(shard.Controller) == nil {
		// Whoever applies this is a replica of group 0, which hence has a leader.
		ch.Groups = slices.Insert(ch.Groups, 0, shard.Group{ID: shard.Controller, Founded: true})
	}
	g := ch.Group(shard.Controller)
	if g.On(record.ID) == nil {
		ch.add(g, record.ID, voters(g) < ControllerVoters)
	}
	ch.reply.Replica = g.On(record.ID).ID
	return nil
}

func drain(ch *change, c command) error   { return setState(ch, c.Node, shard.Draining) }
func undrain(ch *change, c command) error { return setState(ch, c.Node, shard.Active) }

func setState(ch *change, id string, state shard.NodeState) error {
	n, err := ch.node(id)
	if err != nil {
		return err
	}
	ch.changed = n.State != state
	n.State = state
	return nil
}

func removeNode(ch *change, c command) error {
	at, ok := slices.BinarySearchFunc(ch.Nodes, c.Node, compareNode)
	if !ok {
		return nil
	}
	for i := range ch.Groups {
		g := &ch.Groups[i]
		r := g.On(c.Node)
		if r == nil {
			continue
		}
		if g.ID != shard.Controller {
			return fmt.Errorf("node %s still has replica %s of group %d; drain the node and wait until it is empty", c.Node, r.ID, g.ID)
		}
		if err := ch.remove(g, r); err != nil {
			return err
		}
	}
	ch.Nodes = slices.Delete(ch.Nodes, at, at+1)
	ch.changed = true
	return nil
}
