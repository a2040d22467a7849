// Package server speaks the Redis protocol to clients: connections, pipelines,
// transactions, redirects, limits, and the commands about connections and the
// cluster. Commands on data go to groups.
package server

import (
	"context"

	"raftkv/kv/group"
	"raftkv/kv/store"
	"raftkv/shard"
	"raftkv/shard/heat"
)

// Node is what the server needs of the node it runs in. All methods may be
// called from any goroutine.
type Node interface {
	// Route tells who serves slot. It is on every command's path.
	Route(slot uint16) Route
	// Changed returns a channel that closes when routes may have changed since it was
	// asked for.
	Changed() <-chan struct{}
	// Led returns the groups that this node leads and can serve now.
	Led() []Group
	// Local returns all groups that have a replica on this node.
	Local() []Group
	// Topology returns the cluster as clients shall see it.
	Topology() Topology
	// Info returns the fields of INFO that the server does not know itself.
	Info() Info
	// OverMemory tells whether the state has outgrown the memory limit.
	OverMemory() bool
}

// Group is a replica of a group on this node.
type Group interface {
	ID() uint32
	// Propose queues writes; see group.Proposal.
	Propose(...*group.Proposal)
	// ReadIndex waits until the local state may be read, for a bounded time.
	ReadIndex(ctx context.Context, mode group.ReadMode) error
	// Serves tells whether the group serves slot. Only under the state's lock does
	// that say something of what is read there: slots come and go.
	Serves(slot uint16) bool
	// View runs fn under the state's read lock.
	View(fn func(*store.Store))
	// Heat counts what is served, by slot.
	Heat() *heat.Counter
	// Quorum returns how many voters make a quorum.
	Quorum() int
}

// Route says who serves a slot.
type Route struct {
	Group  Group // this node's replica, or nil
	Leader bool  // this node leads the group and can serve
	// LeaderAddr returns the Redis address of the leader, host:port, or "" if
	// none is known. Nil if no group owns the slot.
	LeaderAddr func() string
	// Moving says that the slot is not served now and soon will be: it is on its way to
	// another group, or the leadership of its group is on its way to another node.
	Moving bool
}

// Topology is the cluster as CLUSTER SLOTS and NODES show it.
type Topology struct {
	Epoch uint64
	Self  string // node id
	Nodes []TopologyNode
	// Unled is how many slots have a group, which no living leader is known of.
	Unled int
	// Shards are what CLUSTER SLOTS shows: only nodes that hold a copy of the slots.
	Shards []TopologyShard
	// EachGroup says that CLUSTER SHARDS shows them, too, since replicas are to be
	// advertised: a node then is master in one and replica in another. Else it shows
	// each leader once, as CLUSTER NODES does.
	EachGroup bool
}

// Follows returns whom a node follows, or "".
func (t *Topology) Follows(node string) string {
	for i := range t.Nodes {
		if t.Nodes[i].ID == node {
			return t.Nodes[i].Follows
		}
	}
	return ""
}

// TopologyShard is what the same nodes serve, and who of them leads now.
type TopologyShard struct {
	Slots    []shard.Range
	Leader   string   // node id
	Replicas []string // ids of the other nodes to be shown, each with a copy of all these slots
}

// TopologyNode is one node. A node that leads nothing has no slots.
type TopologyNode struct {
	ID    string // as in raftkv; clients see a hash of it with 40 hex digits
	Host  string
	Port  int // Redis
	Bus   int // peer port
	Alive bool
	Slots []shard.Range // of the groups that it leads
	// Follows is a node that leads slots of which this one has a copy, if this one
	// leads none. A client has to know a node that may lead next: with one group, the
	// leader's address alone would be no way out of its death. A node without such a
	// copy cannot lead next, so nobody needs it for that, and it follows none.
	Follows string
}

// Info is the node's part of INFO.
type Info struct {
	Memory      int64 // bytes of the process, resident
	StateMemory int64 // estimated bytes of keys and sessions
	MaxMemory   int64
	Keys        int64
	Expires     int64
	LastSave    int64 // Unix time in s of the newest snapshot
	Saving      bool
	Fields      []Field // raftkv's own section
}

// Field is a line of INFO.
type Field struct{ Name, Value string }
