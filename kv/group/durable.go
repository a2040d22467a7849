package group

import (
	"fmt"
	"io"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/kv/fsm"
	"raftkv/kv/raftlog"
)

// A leader writes entries to its disk while it sends them to the followers
// (raftlog.Options.Early; Raft dissertation, section 10.2.1), and hashicorp/raft
// counts its copy at once. So what raft calls committed may be on one disk less
// than a quorum for a moment, and nothing must come of it before it is:
//
//   - it is not applied, so nobody is answered and nothing can be read (here);
//   - no follower learns of the commit (transport.Group.OnDisk);
//   - a leader that becomes a follower vouches for no entry before it is on disk
//     (there as well);
//   - changes of membership are on disk before raft counts them (raftlog).
//
// If the leader crashes meanwhile it has promised nothing: the entry is one that
// some followers have and that may or may not survive, as any other in flight.

// leading tells whether raft appends as a leader. Raft changes its state on the
// goroutine that appends, so the answer holds while it does.
func (g *Group) leading() bool {
	r := g.running.Load()
	return r != nil && r.State() == raft.Leader
}

// durableFSM applies entries only once they are on this replica's disk, and what came
// before them is applied.
type durableFSM struct {
	*fsm.FSM
	log    *raftlog.Log
	replay *replay
	// traced, if set, is told of each batch: how long it waited for the disk, and how
	// long it took.
	traced func(logs []*raft.Log, waited, took time.Duration)
}

var _ raft.BatchingFSM = durableFSM{}

// Apply applies one entry.
func (d durableFSM) Apply(log *raft.Log) any { return d.ApplyBatch([]*raft.Log{log})[0] }

// ApplyBatch applies entries in order.
func (d durableFSM) ApplyBatch(logs []*raft.Log) []any {
	start := time.Now()
	err := d.replay.wait()
	if err == nil {
		err = d.log.WaitDurable(logs[len(logs)-1].Index)
	}
	if err != nil {
		// The node stops for it. The outcome is not known: followers may have them.
		err = fmt.Errorf("not applied: %w", err)
		out := make([]any, len(logs))
		for i := range out {
			out[i] = err
		}
		return out
	}
	durable := time.Now()
	out := d.FSM.ApplyBatch(logs)
	if d.traced != nil {
		d.traced(logs, durable.Sub(start), time.Since(durable))
	}
	return out
}

// Snapshot takes an image of the state.
func (d durableFSM) Snapshot() (raft.FSMSnapshot, error) {
	if err := d.replay.wait(); err != nil {
		return nil, err
	}
	return d.FSM.Snapshot()
}

// Restore replaces the state by a snapshot's.
func (d durableFSM) Restore(source io.ReadCloser) error {
	if err := d.replay.wait(); err != nil {
		source.Close()
		return err
	}
	return d.FSM.Restore(source)
}
