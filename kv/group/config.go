package group

import (
	"context"
	"log/slog"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"raftkv/kv/eventlog"
	"raftkv/kv/fsm"
	"raftkv/kv/raftlog"
	"raftkv/kv/transport"
)

// Timing is a profile of raft's timeouts.
type Timing struct {
	// Heartbeat is how long a follower waits for its leader before it asks for
	// votes. Too short for the machine, and busy leaders lose elections.
	Heartbeat time.Duration
	// Election is how long a candidate waits for votes.
	Election time.Duration
	// Lease is how long a leader goes on without hearing a quorum. Not above
	// Heartbeat.
	Lease time.Duration
	// Commit is how long followers may not know of a commit when no entry
	// follows it; at most twice that. Whoever cannot wait calls Publish.
	Commit time.Duration
	// Handover is how long slots may be served by nobody while they go to another group:
	// the commits of several entries in two groups, one after the other. Then the source serves
	// them again. Clients wait for as long (server.movingWait is above it).
	Handover time.Duration
}

// Timings by name: "local" elects in about 300 ms, "wan" suits round trips of
// 100 ms and more.
var Timings = map[string]Timing{
	"local": {Heartbeat: 250 * time.Millisecond, Election: 250 * time.Millisecond, Lease: 250 * time.Millisecond, Commit: time.Second, Handover: 500 * time.Millisecond},
	"wan":   {Heartbeat: 2 * time.Second, Election: 2 * time.Second, Lease: 1500 * time.Millisecond, Commit: 2 * time.Second, Handover: 2 * time.Second},
}

// Config is what one replica of a group needs.
type Config struct {
	ID      uint32
	Cluster string        // cluster id, written into snapshots
	Node    string        // node id, for messages
	Replica raft.ServerID // this replica's raft id; a lost disk makes a new one
	Dir     string        // the group's folder; made if it is missing
	Timing  Timing

	Transport *transport.Group
	Log       raftlog.Options // Dir is filled in
	// Snapshots is where snapshots are kept. Nil: in Dir.
	Snapshots SnapshotStore

	// Founders are the first members of a new group: if there is no log yet, the
	// replica begins with them, and each of them must begin with the same ones.
	// Nil: an empty replica waits for a leader to fill it. A replica that has had
	// a log and lost it must not found again: it would vote a second time.
	Founders []raft.Server
	// NotEmpty makes Open fail with ErrEmpty, before the replica takes part in anything,
	// if it would be empty.
	NotEmpty bool

	// ReplayBudget bounds how long replaying the log after a restart may take:
	// a snapshot is taken when it would take longer. 0 turns snapshots off.
	ReplayBudget time.Duration
	// TrailingBytes is how much log stays behind a snapshot, so that a follower that
	// is a little behind gets entries and not the whole state. 0: 16 MiB.
	TrailingBytes int64

	// AskReadIndex asks the leader at peer, which index a follower that has
	// applied up to applied has to wait for.
	AskReadIndex func(ctx context.Context, peer raft.ServerAddress, applied uint64) (uint64, error)

	// AskTurn asks the leader at peer for this replica whose turn it is to write a
	// snapshot (ServeTurn). Nil: replicas write when each of them likes.
	AskTurn func(ctx context.Context, peer raft.ServerAddress, replica raft.ServerID, turn Turn) (raft.ServerID, error)

	// Fatal is called when the replica must stop for good: a failed disk, an
	// entry of a newer version. It must not block.
	Fatal func(error)

	// Hurry, if set, is called when the replica begins to replay its log, and what it returns
	// when it has: meanwhile the process may use more processors.
	Hurry func() (slower func())

	// Now is the node's wall clock.
	Now func() time.Time

	// LeaderChanged is called when this replica begins or ends to serve as
	// leader. It must not block.
	LeaderChanged func(serving bool)

	// GateChanged is called when the group begins or ends to serve slots. It must
	// not block nor ask the group.
	GateChanged func()
	// MapChanged is called in group 0 when there is a newer shard map, also while
	// Open restores one. It must not block.
	MapChanged func()

	// Broken and BrokenState are rules that shall not hold, and LocalClock, if set, is
	// what the state takes for the time instead of the entries' clock: what follows
	// shall be found out. A quorum of the replicas must lack the same rules.
	Broken      Rules
	BrokenState fsm.Rules
	LocalClock  func() int64

	Observe Observer
	Trace   *eventlog.Tracer // nil: no trace
	Logger  *slog.Logger
	RaftLog hclog.Logger
}

// Observer gets what a group measures. Any field may be nil.
type Observer struct {
	Proposed   func(commands, bytes int, took time.Duration) // an entry, from raft's hand-over to its replies
	Applied    func(commands, bytes int, took time.Duration)
	Snapshot   func(bytes int64, took time.Duration)
	ReadRound  func(took time.Duration) // one confirmation of leadership
	Restored   func(took time.Duration)
	Replayed   func(took time.Duration)
	Leadership func(term uint64, serving bool)
}
