package kv

import "raftkv/shard"

// Status is what `raftkv status --json` and GET /v1/status answer.
type Status struct {
	Epoch  uint64        `json:"epoch"`
	Nodes  []NodeStatus  `json:"nodes"`
	Groups []GroupStatus `json:"groups"`
	Faults []FaultStatus `json:"faults"` // injected on purpose, those that are active
}

// FaultStatus is a fault that was injected on purpose; see package fault.
type FaultStatus struct {
	ID        string   `json:"id"`
	Fault     string   `json:"fault"` // its line, such as "cut n1 n2 for 10s"
	StartedMS int64    `json:"started_ms"`
	UntilMS   int64    `json:"until_ms,omitempty"` // when it ends by itself, Unix time; 0: when it is healed
	Nodes     []string `json:"nodes"`              // that know of it
	Result    string   `json:"result,omitempty"`   // of a fault that has happened at once: what was done
}

// Node states as seen by the node that was asked.
const (
	NodeUp          = "up"
	NodeUnreachable = "unreachable"
)

// NodeStatus describes one server process.
type NodeStatus struct {
	ID       string `json:"id"`
	Redis    string `json:"redis"`
	HTTP     string `json:"http"`
	Peer     string `json:"peer"`
	PID      int    `json:"pid,omitempty"`
	State    string `json:"state"`
	Version  string `json:"version,omitempty"`
	UptimeMS int64  `json:"uptime_ms,omitempty"`
	Unsafe   string `json:"unsafe,omitempty"`  // the rule that it breaks on purpose
	Problem  string `json:"problem,omitempty"` // why the node is not healthy, for people
	Memory   int64  `json:"memory_bytes,omitempty"`
	Disk     int64  `json:"disk_bytes,omitempty"` // size of the data folder
	DiskFree int64  `json:"disk_free_bytes,omitempty"`
}

// GroupStatus describes one raft group.
type GroupStatus struct {
	ID       uint32          `json:"id"`
	Leader   string          `json:"leader"` // node id; empty when none is known
	Term     uint64          `json:"term"`
	Slots    []shard.Range   `json:"slots"`
	Keys     int64           `json:"keys"`
	Replicas []ReplicaStatus `json:"replicas"`
}

// Roles of a replica.
const (
	RoleLeader    = "leader"
	RoleFollower  = "follower"
	RoleCandidate = "candidate"
	RoleLearner   = "learner" // non-voter
	RoleUnknown   = "unknown" // its node does not answer
)

// ReplicaStatus describes one node's copy of one group.
type ReplicaStatus struct {
	Node     string         `json:"node"`
	Replica  string         `json:"replica"` // raft server id: new after a lost disk
	Role     string         `json:"role"`
	Term     uint64         `json:"term"`
	Applied  uint64         `json:"applied"`
	Commit   uint64         `json:"commit"`
	First    uint64         `json:"first"`           // first index in its log, 0 if it is empty
	Last     uint64         `json:"last"`            // last index in its log
	Match    uint64         `json:"match,omitempty"` // seen by the leader
	Snapshot SnapshotStatus `json:"snapshot"`
	Keys     int64          `json:"keys"`
	Bytes    int64          `json:"bytes"`     // memory of the state
	LogBytes int64          `json:"log_bytes"` // on disk
}

// SnapshotStatus describes a replica's newest snapshot; Index 0 means none.
type SnapshotStatus struct {
	Index  uint64 `json:"index"`
	Term   uint64 `json:"term,omitempty"`
	Bytes  int64  `json:"bytes,omitempty"`
	AtMS   int64  `json:"at_ms,omitempty"`   // when it was finished, Unix time
	TookMS int64  `json:"took_ms,omitempty"` // how long writing took
}

// Digest is what GET /v1/digest answers: a hash of each replica on the node that
// was asked.
type Digest struct {
	Node   string        `json:"node"`
	Groups []GroupDigest `json:"groups"`
}

// GroupDigest is one replica's. Replicas at the same index have the same sum.
type GroupDigest struct {
	Group   uint32       `json:"group"`
	Replica string       `json:"replica"`
	Serving bool         `json:"serving"` // as leader
	Index   uint64       `json:"index"`   // applied
	Term    uint64       `json:"term"`    // of the last applied entry
	Keys    int64        `json:"keys"`
	Sum     string       `json:"sum"`
	Slots   []SlotDigest `json:"slots"` // but the absent ones
}

// SlotDigest is slots in the same state: installing, owned, exporting or frozen.
type SlotDigest struct {
	Range shard.Range `json:"slots"`
	State string      `json:"state"`
	Epoch uint64      `json:"epoch"`
}

// Serves tells whether commands for the slots are executed.
func (d *SlotDigest) Serves() bool { return d.State == "owned" || d.State == "exporting" }

// PlanStatus is what GET /v1/balance/plan answers: what the balancer would do now.
type PlanStatus struct {
	Epoch   uint64          `json:"epoch"`
	Balance bool            `json:"balance"` // whether it is on
	Actions []PlannedAction `json:"actions"` // repairs are made whether it is on or off
	IfOn    []PlannedAction `json:"if_on"`   // what else it would do if it were on; empty if it is
	Notes   []string        `json:"notes"`   // what is well, and what no move can better
}

// PlannedAction is one thing that the balancer would do.
type PlannedAction struct {
	Kind string `json:"kind"`
	Text string `json:"text"` // with the reason, for a person
}

// HotStatus is what `raftkv hot --json` and GET /v1/hot answer: where the load is.
// Operations are decayed rates a second, with a half-life of 5 s.
type HotStatus struct {
	Nodes []HotNode `json:"nodes"`
	Slots []HotSlot `json:"slots"` // hottest first
	Keys  []HotKey  `json:"keys"`  // hottest first, estimated
}

// HotNode is the load of the groups that a node leads.
type HotNode struct {
	Node   string  `json:"node"`
	Ops    float64 `json:"ops"`
	Factor float64 `json:"factor"` // load / mean load
}

// HotSlot is the load of a slot.
type HotSlot struct {
	Slot   uint16  `json:"slot"`
	Group  uint32  `json:"group"`
	Node   string  `json:"node"` // that leads the group
	Reads  float64 `json:"reads"`
	Writes float64 `json:"writes"`
	Keys   uint64  `json:"keys"`
}

// HotKey is one of the keys that a node is asked for most.
type HotKey struct {
	Key  string  `json:"key"`
	Slot uint16  `json:"slot"`
	Node string  `json:"node"`
	Ops  float64 `json:"ops"`
}
