package metrics

import (
	"raftkv/kv"
	"raftkv/shard/heat"
)

// Sources are asked at each scrape. Any of them may be nil. They are called
// from any goroutine, must not block, and hand out what the caller may keep.
type Sources struct {
	// Groups describes the replicas on this node.
	Groups func() []GroupState
	// Cluster describes the shard map.
	Cluster func() Cluster
	// Commands calls emit for every command that was seen with its outcome:
	// ok, error, moved or uncertain.
	Commands func(emit func(command, outcome string, n uint64))
	// Reads and Writes are how long clients waited, from the arrival of a
	// pipeline in the server to its replies.
	Reads, Writes func() Distribution
	// Connections describes the Redis listener.
	Connections func() Connections
	// Memory estimates the bytes of the state: keys, values and sessions; Limit
	// is the configured bound, 0 if there is none.
	Memory func() (state, limit int64)
	// DiskFree is what the data folder's file system has left, in bytes.
	DiskFree func() int64
	// DroppedLogLines counts lines that the node log could not keep up with.
	DroppedLogLines func() uint64
}

// GroupState is one replica at the moment of a scrape.
type GroupState struct {
	ID       uint32
	Serving  bool // leads, and may serve
	Status   kv.ReplicaStatus
	Sessions int64
	Heat     heat.SlotHeat // of all its slots, on the leader
	// Matches holds, on the leader, the last index known to be in the log of
	// each other replica, by node.
	Matches map[string]uint64
	// WaitingProposals and WaitingBytes have not entered the log yet.
	WaitingProposals, WaitingBytes int
}

// Distribution is a histogram: the number of observations at or below each
// bound in seconds, their number in all, and their sum in seconds.
type Distribution struct {
	Buckets map[float64]uint64
	Count   uint64
	Sum     float64
}

// Connections describes the Redis listener.
type Connections struct {
	Open                        int64 // now
	Accepted, Rejected          uint64
	BytesIn, BytesOut           uint64
	ProtocolErrors, SlowReaders uint64
}
