package node

import (
	"net"
	"slices"
	"strconv"

	"raftkv/kv/server"
	"raftkv/shard"
)

// routes is the node as its Redis server sees it.
type routes struct{ n *Node }

var _ server.Node = routes{}

// Route tells who serves a slot.
func (r routes) Route(slot uint16) server.Route { return r.n.table.Load().route(slot) }

// Changed returns a channel that closes when routes may have changed.
func (r routes) Changed() <-chan struct{} { return r.n.rerouted.next() }

// leaderOf returns the id of the node that leads a group, or "" if none is known:
// as the replica here knows it, else as the nodes have told the controller.
func (n *Node) leaderOf(group uint32) string {
	if g := n.group(group); g != nil {
		if leader := g.Leader(); leader != "" {
			return nodeOf(leader)
		}
	}
	return n.bulletin.Load().Leaders[group].Node
}

// redisOf returns a node's Redis address, or "".
func (n *Node) redisOf(node string) string {
	if info := n.shardMap().Node(node); info != nil {
		return info.Redis
	}
	return ""
}

// peerOf returns a node's peer address, or "".
func (n *Node) peerOf(node string) string {
	if info := n.shardMap().Node(node); info != nil {
		return info.Peer
	}
	return ""
}

// Led returns the groups that this node serves as leader.
func (r routes) Led() []server.Group {
	var out []server.Group
	for _, g := range r.n.table.Load().local {
		if g.Serving() {
			out = append(out, g)
		}
	}
	return out
}

// Local returns all groups with keys that have a replica here.
func (r routes) Local() []server.Group {
	var out []server.Group
	for _, g := range r.n.table.Load().local {
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

// Topology shows every node as master of all slots that it leads.
func (r routes) Topology() server.Topology {
	n, table := r.n, r.n.table.Load()
	m, dead := table.shardMap, n.bulletin.Load().Dead
	t := server.Topology{Self: n.config.ID, Epoch: m.Epoch}
	for _, info := range m.Nodes {
		if node, ok := topologyNode(&info); ok {
			node.Alive = info.ID == n.config.ID || !slices.Contains(dead, info.ID)
			t.Nodes = append(t.Nodes, node)
		}
	}
	leaders := make(map[uint32]string)
	for _, g := range table.targets[1:] {
		leader := n.leaderOf(g.id)
		leaders[g.id] = leader
		for i := range t.Nodes {
			if t.Nodes[i].ID == leader {
				t.Nodes[i].Slots = append(t.Nodes[i].Slots, g.slots...)
			}
		}
	}
	if n.config.AdvertiseReplicas {
		t.Shards = shards(m, table, leaders, dead)
	}
	for i := range t.Nodes {
		node := &t.Nodes[i]
		node.Slots = shard.Normalize(node.Slots)
		if len(node.Slots) == 0 {
			node.Follows = follows(m, node.ID, leaders)
		}
	}
	return t
}

// shards lists the groups that have slots and a leader, with the replicas that vote
// and whose nodes answer: what lags behind would let readers wait.
func shards(m *shard.Map, table *table, leaders map[uint32]string, dead []string) []server.TopologyShard {
	out := []server.TopologyShard{}
	for _, g := range table.targets[1:] {
		s := server.TopologyShard{Slots: g.slots, Leader: leaders[g.id]}
		if s.Leader == "" || len(s.Slots) == 0 {
			continue
		}
		for _, r := range m.Group(g.id).Replicas {
			if r.Voter && r.Node != s.Leader && !slices.Contains(dead, r.Node) {
				s.Replicas = append(s.Replicas, r.Node)
			}
		}
		out = append(out, s)
	}
	return out
}

// follows returns the leader of a group that has a replica on a node, or "".
func follows(m *shard.Map, node string, leaders map[uint32]string) string {
	for i := range m.Groups {
		g := &m.Groups[i]
		if leader := leaders[g.ID]; leader != "" && leader != node && g.On(node) != nil {
			return leader
		}
	}
	return ""
}

// topologyNode fails if the node's addresses make no sense.
func topologyNode(info *shard.Node) (out server.TopologyNode, ok bool) {
	host, port, err := splitAddr(info.Redis)
	if err != nil {
		return out, false
	}
	_, bus, err := splitAddr(info.Peer)
	if err != nil {
		return out, false
	}
	return server.TopologyNode{ID: info.ID, Host: host, Port: port, Bus: bus}, true
}

func splitAddr(addr string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(addr)
	if err == nil {
		port, err = strconv.Atoi(text)
	}
	return host, port, err
}
