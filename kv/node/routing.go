package node

import (
	"net"
	"strconv"
	"time"

	"raftkv/kv/fsm"
	"raftkv/kv/group"
	"raftkv/kv/server"
	"raftkv/shard"
)

// routes is the node as its Redis server sees it.
type routes struct{ n *Node }

var _ server.Node = routes{}

// Route tells who serves a slot.
func (r routes) Route(slot uint16) server.Route {
	for _, g := range *r.n.groups.Load() {
		if !g.State().Serves(slot) {
			continue
		}
		if g.Serving() {
			return server.Route{Group: g, Leader: true}
		}
		return server.Route{Group: g, LeaderAddr: func() string { return r.n.leaderOf(g).Redis }}
	}
	return server.Route{}
}

// leaderOf returns what is known of the node that leads a group.
func (n *Node) leaderOf(g *group.Group) fsm.NodeInfo {
	leader := g.Leader()
	if leader == "" {
		return fsm.NodeInfo{}
	}
	for _, info := range g.State().Nodes() {
		if info.ID == nodeOf(leader) {
			return info
		}
	}
	return fsm.NodeInfo{}
}

// Led returns the groups that this node serves as leader.
func (r routes) Led() []server.Group {
	var out []server.Group
	for _, g := range *r.n.groups.Load() {
		if g.Serving() {
			out = append(out, g)
		}
	}
	return out
}

// Local returns all groups that have a replica here.
func (r routes) Local() []server.Group {
	var out []server.Group
	for _, g := range *r.n.groups.Load() {
		out = append(out, g)
	}
	return out
}

// OverMemory tells whether the state has outgrown its limit.
func (r routes) OverMemory() bool {
	limit := r.n.config.MaxMemory
	return limit > 0 && r.n.stateMemory() > limit
}

func (n *Node) stateMemory() (total int64) {
	for _, g := range *n.groups.Load() {
		total += g.State().Memory()
	}
	return total
}

// aliveFor is how long a node counts as alive after its last answer to a leader.
const aliveFor = 3 * time.Second

// Topology shows every node as master of the slots that it leads.
func (r routes) Topology() server.Topology {
	t := server.Topology{Self: r.n.config.ID}
	for _, g := range *r.n.groups.Load() {
		slots, epoch := g.State().Ownership()
		t.Epoch = max(t.Epoch, epoch)
		leader := g.Leader()
		for _, info := range g.State().Nodes() {
			node := topologyNode(&t, info)
			if node == nil {
				continue
			}
			if leader != "" && nodeOf(leader) == info.ID {
				node.Slots = append(node.Slots, slots...)
			}
			if g.Serving() && info.ID != r.n.config.ID && time.Since(g.Heard(info.Replica)) > aliveFor {
				node.Alive = false
			}
		}
	}
	for i := range t.Nodes {
		t.Nodes[i].Slots = shard.Normalize(t.Nodes[i].Slots)
	}
	for _, g := range *r.n.groups.Load() {
		showFollowers(&t, g)
	}
	return t
}

// showFollowers marks the nodes that lead nothing and have a replica of g.
func showFollowers(t *server.Topology, g *group.Group) {
	leader := nodeOf(g.Leader())
	for _, s := range g.Servers() {
		for i := range t.Nodes {
			n := &t.Nodes[i]
			if n.ID == nodeOf(s.ID) && n.ID != leader && len(n.Slots) == 0 && n.Follows == "" {
				n.Follows = leader
			}
		}
	}
}

// topologyNode returns the entry of a node, made if it is missing; nil if its
// address makes no sense.
func topologyNode(t *server.Topology, info fsm.NodeInfo) *server.TopologyNode {
	for i := range t.Nodes {
		if t.Nodes[i].ID == info.ID {
			return &t.Nodes[i]
		}
	}
	host, port, err := splitAddr(info.Redis)
	if err != nil {
		return nil
	}
	_, bus, err := splitAddr(info.Peer)
	if err != nil {
		return nil
	}
	t.Nodes = append(t.Nodes, server.TopologyNode{ID: info.ID, Host: host, Port: port, Bus: bus, Alive: true})
	return &t.Nodes[len(t.Nodes)-1]
}

func splitAddr(addr string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(addr)
	if err == nil {
		port, err = strconv.Atoi(text)
	}
	return host, port, err
}
