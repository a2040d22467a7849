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
// as the replica here knows it, else as the nodes have told the controller, unless
// that one is lost.
func (n *Node) leaderOf(group uint32) string {
	if g := n.group(group); g != nil {
		if leader := g.Leader(); leader != "" {
			return nodeOf(leader)
		}
	}
	return n.toldLeader(group)
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

// Topology shows every node as master of all slots that it leads. One that leads none
// stands with a leader of slots that it has a copy of, if there is any.
func (r routes) Topology() server.Topology {
	n, table := r.n, r.n.table.Load()
	m, dead := table.shardMap, n.bulletin.Load().Dead
	t := server.Topology{Self: n.config.ID, Epoch: m.Epoch, EachGroup: n.config.AdvertiseReplicas}
	leaders := make(map[uint32]string) // of the groups that have slots
	for _, g := range table.targets[1:] {
		if len(g.slots) > 0 {
			leaders[g.id] = n.leaderOf(g.id)
		}
		if leaders[g.id] == "" {
			t.Unled += count(g.slots)
		}
	}
	for _, info := range m.Nodes {
		if node, ok := topologyNode(&info); ok {
			node.Alive = info.ID == n.config.ID || !slices.Contains(dead, info.ID)
			node.Slots = table.ledBy(info.ID, leaders)
			if len(node.Slots) == 0 {
				node.Follows = follows(m, node.ID, leaders)
			}
			t.Nodes = append(t.Nodes, node)
		}
	}
	t.Shards = shards(table, leaders, func(leader string, r *shard.Replica) bool {
		return !slices.Contains(dead, r.Node) && (t.EachGroup || t.Follows(r.Node) == leader)
	})
	if !t.EachGroup {
		t.Shards = merge(t.Shards)
	}
	return t
}

func count(slots []shard.Range) (n int) {
	for _, r := range slots {
		n += r.Len()
	}
	return n
}

// ledBy returns the slots of the groups that a node leads.
func (t *table) ledBy(node string, leaders map[uint32]string) (slots []shard.Range) {
	for _, g := range t.targets[1:] {
		if leaders[g.id] == node {
			slots = append(slots, g.slots...)
		}
	}
	return shard.Normalize(slots)
}

// shards lists the groups that have slots and a leader, with those replicas to be
// shown that vote: what lags behind would let readers wait.
func shards(table *table, leaders map[uint32]string, show func(leader string, r *shard.Replica) bool) (out []server.TopologyShard) {
	for _, g := range table.targets[1:] {
		s := server.TopologyShard{Slots: slices.Clone(g.slots), Leader: leaders[g.id]}
		if s.Leader == "" {
			continue
		}
		for _, r := range table.shardMap.Group(g.id).Replicas {
			if r.Voter && r.Node != s.Leader && show(s.Leader, &r) {
				s.Replicas = append(s.Replicas, r.Node)
			}
		}
		out = append(out, s)
	}
	return out
}

// merge joins the shards that the same nodes serve: the shorter list is read by every
// client, often.
func merge(in []server.TopologyShard) (out []server.TopologyShard) {
	for _, s := range in {
		slices.Sort(s.Replicas)
		same := func(o server.TopologyShard) bool {
			return o.Leader == s.Leader && slices.Equal(o.Replicas, s.Replicas)
		}
		if at := slices.IndexFunc(out, same); at >= 0 {
			out[at].Slots = shard.Normalize(append(out[at].Slots, s.Slots...))
			continue
		}
		out = append(out, s)
	}
	return out
}

// follows returns the leader of a group with slots that has a replica on a node, or "".
// Whoever leads such a group is a master, so nobody follows one that follows.
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
