package node

import (
	"context"
	"maps"
	"slices"
	"time"

	"raftkv/shard"
)

// askLostWithin bounds the question to a leader that is taken to be dead.
const askLostWithin = time.Second

// lost are leaders, by group, to whom nobody is to be sent: the controller's leader does
// not hear the node, nor does this one. One alone proves little, since links break
// between two nodes, and a client may reach what a node does not. A client that is sent
// to a dead leader finds that out by itself, and one that is sent nowhere although the
// leader lives can do nothing: so whoever is in doubt names the leader.
//
// Each is named with its term. Whoever is heard to lead in another term lives, and
// counts at once.
type lost map[uint32]leading

// lostLeaders finds them among those of whom is told. A group whose replica here hears
// its leader has one.
func lostLeaders(told *bulletin, heard func(group uint32) bool, answers func(node string) bool) lost {
	out := make(lost)
	asked := make(map[string]bool)
	for group, l := range told.Leaders {
		if !slices.Contains(told.Dead, l.Node) || heard(group) {
			continue
		}
		alive, known := asked[l.Node]
		if !known {
			alive = answers(l.Node)
			asked[l.Node] = alive
		}
		if !alive {
			out[group] = l
		}
	}
	return out
}

// toldLeader returns the id of the node that leads a group by what the nodes have told
// the controller, or "" if there is none, or if it is lost.
func (n *Node) toldLeader(group uint32) string {
	told := n.bulletin.Load()
	leader := told.Leaders[group]
	if gone := n.lost.Load(); gone != nil && (*gone)[group] == leader && slices.Contains(told.Dead, leader.Node) {
		return ""
	}
	return leader.Node
}

// lookForLost asks the leaders that are said to be dead. A node that does not hear the
// controller has old news, and takes nobody to be lost.
func (n *Node) lookForLost(ctx context.Context) {
	found := make(lost)
	if n.hearsLeader(shard.Controller) {
		found = lostLeaders(n.bulletin.Load(), n.hearsLeader, func(node string) bool { return n.answers(ctx, node) })
	}
	if ctx.Err() != nil {
		return // nobody could be asked
	}
	was := n.lost.Swap(&found)
	if was != nil && maps.Equal(*was, found) {
		return
	}
	for group, l := range found {
		if was == nil || (*was)[group] != l {
			n.log.Warn("the leader is lost: it does not answer, and no other is known", "topic", "leadership", "group", group, "leader", l.Node, "term", l.Term)
		}
	}
	n.rerouted.ring()
}

// hearsLeader tells whether the replica of a group here hears its leader.
func (n *Node) hearsLeader(group uint32) bool {
	g := n.group(group)
	return g != nil && g.Leader() != ""
}

// answers tells whether a node answers this one.
func (n *Node) answers(ctx context.Context, node string) bool {
	ctx, cancel := context.WithTimeout(ctx, askLostWithin)
	defer cancel()
	_, err := n.transport.Call(ctx, n.peerOf(node), callHello, nil)
	return err == nil
}
