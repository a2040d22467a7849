package controller

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"raftkv/shard"
)

// A replica id is the node's id, a dot, and the epoch of the map that made it.
// No command makes two replicas on one node, and node ids have no dots, so no id
// is ever made twice.

// add gives g a replica on a node that has none of it.
func (ch *change) add(g *shard.Group, node string, voter bool) string {
	r := shard.Replica{Node: node, ID: node + "." + strconv.FormatUint(ch.Epoch, 10), Voter: voter}
	at, _ := slices.BinarySearchFunc(g.Replicas, node, func(r shard.Replica, node string) int { return cmp.Compare(r.Node, node) })
	g.Replicas = slices.Insert(g.Replicas, at, r)
	ch.changed = true
	return r.ID
}

// remove takes r out of g, unless it is the last voter.
func (ch *change) remove(g *shard.Group, r *shard.Replica) error {
	if r.Voter && voters(g) == 1 {
		return fmt.Errorf("replica %s is the last voter of group %d; promote another replica first", r.ID, g.ID)
	}
	id := r.ID // r points into the slice that changes
	g.Replicas = slices.DeleteFunc(g.Replicas, func(r shard.Replica) bool { return r.ID == id })
	ch.changed = true
	return nil
}

func addReplica(ch *change, c command) error {
	g, err := ch.group(c.Group)
	if err != nil {
		return err
	}
	n, err := ch.node(c.Node)
	if err != nil {
		return err
	}
	if r := g.On(n.ID); r != nil {
		ch.reply.Replica = r.ID
		return nil
	}
	if n.State == shard.Draining && g.ID != shard.Controller {
		return errDraining(n.ID)
	}
	ch.reply.Replica = ch.add(g, n.ID, false)
	return nil
}

func promoteReplica(ch *change, c command) error {
	g, err := ch.group(c.Group)
	if err != nil {
		return err
	}
	r := find(g, c.Replica)
	if r == nil {
		return fmt.Errorf("group %d has no replica %q; it may have been replaced: read the map again", g.ID, c.Replica)
	}
	ch.changed = !r.Voter
	r.Voter = true
	return nil
}

func removeReplica(ch *change, c command) error {
	if ch.gone(c.Group) {
		return nil
	}
	g, err := ch.group(c.Group)
	if err != nil {
		return err
	}
	r := find(g, c.Replica)
	if r == nil {
		return nil
	}
	return ch.remove(g, r)
}

func replaceReplica(ch *change, c command) error {
	g, err := ch.group(c.Group)
	if err != nil {
		return err
	}
	node, made, err := parseReplica(c.Replica)
	if err != nil {
		return err
	}
	r := g.On(node)
	if r == nil {
		return fmt.Errorf("group %d has no replica on node %s; add one", g.ID, node)
	}
	if r.ID != c.Replica {
		if _, later, err := parseReplica(r.ID); err != nil || later < made {
			return fmt.Errorf("group %d has no replica %q; on that node it has %s", g.ID, c.Replica, r.ID)
		}
		ch.reply.Replica = r.ID // replaced already
		return nil
	}
	if err := ch.remove(g, r); err != nil {
		return err
	}
	ch.reply.Replica = ch.add(g, node, false)
	return nil
}

// parseReplica tells a replica's node and the epoch that made it.
func parseReplica(id string) (node string, made uint64, err error) {
	node, epoch, _ := strings.Cut(id, ".")
	if made, err = strconv.ParseUint(epoch, 10, 64); err != nil || !validNode.MatchString(node) {
		return "", 0, fmt.Errorf("%q is no replica id: want a node's id, a dot and an epoch", id)
	}
	return node, made, nil
}

// find returns g's replica with an id, or nil.
func find(g *shard.Group, id string) *shard.Replica {
	at := slices.IndexFunc(g.Replicas, func(r shard.Replica) bool { return r.ID == id })
	if at < 0 {
		return nil
	}
	return &g.Replicas[at]
}

func voters(g *shard.Group) (n int) {
	for _, r := range g.Replicas {
		if r.Voter {
			n++
		}
	}
	return n
}

func errDraining(node string) error {
	return fmt.Errorf("node %s is draining and takes no new replicas; choose another, or undrain it", node)
}
