package node

import (
	"context"
	"encoding/json"
	"fmt"

	"raftkv/kv"
	"raftkv/kv/fsm"
	"raftkv/shard"
	"raftkv/shard/controller"
)

// emptyMap is what a node knows before it has heard of the controller.
var emptyMap = new(shard.Map)

// shardMap returns the newest map that has come to this node.
func (n *Node) shardMap() *shard.Map {
	if g := n.group(shard.Controller); g != nil {
		return g.State().Map()
	}
	return emptyMap
}

// Map returns the map of an epoch, or the newest that this node has if epoch is 0.
func (n *Node) Map(epoch uint64) (*shard.Map, error) {
	g := n.group(shard.Controller)
	switch {
	case g == nil:
		return nil, errStarting
	case epoch == 0:
		return g.State().Map(), nil
	}
	return g.State().MapAt(epoch)
}

// control changes the map, wherever the controller's leader is; change comes from
// package controller. Every change is idempotent, so that one whose fate is not
// known may be asked for again.
func (n *Node) control(ctx context.Context, change []byte) (reply controller.Reply, err error) {
	g := n.group(shard.Controller)
	if g == nil {
		return reply, errStarting
	}
	var answer []byte
	if g.Serving() {
		answer, err = n.changeMap(ctx, change)
	} else {
		leader := string(g.LeaderPeer())
		if leader == "" || leader == n.config.Peer {
			return reply, errNoController
		}
		ctx, cancel := context.WithTimeout(ctx, placeTimeout)
		defer cancel()
		answer, err = n.transport.Call(ctx, leader, callControl, change)
	}
	if err == nil {
		err = json.Unmarshal(answer, &reply)
	}
	return reply, err
}

// changeMap puts a change of the map into the log of group 0, on its leader, and
// returns what the map's state machine answers.
func (n *Node) changeMap(_ context.Context, change []byte) ([]byte, error) {
	g := n.group(shard.Controller)
	if g == nil {
		return nil, errStarting
	}
	reply, err := g.Admin(fsm.Control(change))
	if err != nil {
		return nil, fmt.Errorf("change of the map: %w", err)
	}
	g.Publish() // all nodes follow the map
	if reply.Kind != kv.Bulk {
		return nil, fmt.Errorf("change of the map: an answer of kind %v", reply.Kind)
	}
	return reply.Str, nil
}

// lead does the controller's work, on the leader of group 0: it sees who lives,
// and takes the next step towards what the cluster shall be.
func (n *Node) lead(ctx context.Context) {
	g := n.group(shard.Controller)
	if g == nil || !g.Serving() || !n.isMember() {
		return
	}
	n.board.begin(g.Term(), n.bulletin.Load())
	n.lookForDead(g)
	n.mu.Lock()
	begin := n.identity.Initial
	n.mu.Unlock()
	now, _ := n.board.read()
	for range maxDecisions {
		m := n.shardMap()
		gone := n.gone(g, m)
		var err error
		if change, reason := settleFounding(m, now, gone); change != nil {
			err = n.changeFor(ctx, m, change, reason)
		} else if a := beginCluster(m, begin, gone); a != nil {
			err = n.carryOut(ctx, m, *a)
		} else {
			n.followPlan(ctx, g)
			return
		}
		n.logFailure("a decision was not carried out", shard.Controller, err)
		if err != nil {
			return
		}
	}
}

// maxDecisions bounds what is done before the loop looks around again.
const maxDecisions = 100
