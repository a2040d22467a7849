package group

import (
	"time"

	"github.com/hashicorp/raft"

	"raftkv/kv"
)

// Status describes this replica. Matches of the others are known on the leader
// alone.
func (g *Group) Status(node string) kv.ReplicaStatus {
	newest := g.snapshots.Newest()
	first, last := g.log.Bounds()
	applied := g.fsm.Applied()
	return kv.ReplicaStatus{
		Node:    node,
		Replica: string(g.config.Replica),
		Role:    g.role(),
		Term:    g.raft.CurrentTerm(),
		Applied: applied,
		// Raft does not know yet what the log alone has proved (replay.go).
		Commit: max(g.raft.CommitIndex(), applied),
		First:  first,
		Last:   last,
		Snapshot: kv.SnapshotStatus{
			Index:  newest.Index,
			Term:   newest.Term,
			Bytes:  newest.Size,
			AtMS:   unixMilli(newest.At),
			TookMS: newest.Took.Milliseconds(),
		},
		Keys:     g.fsm.Keys(),
		Bytes:    g.fsm.Memory(),
		LogBytes: g.log.SizeBytes(),
	}
}

// Matches returns, on the leader, the last index known to be in each other
// replica's log.
func (g *Group) Matches() map[raft.ServerID]uint64 {
	term := g.serving.Load()
	out := make(map[raft.ServerID]uint64)
	if term == 0 {
		return out
	}
	for _, s := range g.Servers() {
		if match, _ := g.acks.match(s.ID, term); match > 0 {
			out[s.ID] = match
		}
	}
	return out
}

func (g *Group) role() string {
	switch g.raft.State() {
	case raft.Leader:
		return kv.RoleLeader
	case raft.Candidate:
		return kv.RoleCandidate
	}
	if s, ok := g.server(g.config.Replica); ok && s.Suffrage != raft.Voter {
		return kv.RoleLearner
	}
	return kv.RoleFollower
}

func unixMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
