package group

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/kv/raftlog"
)

// A replica that starts applies what its log proves to be committed (raftlog.Committed)
// while its group elects a leader. Raft itself would wait for the leader's word. It is
// told that a snapshot ends where the proof does, and so begins behind it; from there on
// all is as with a snapshot that has some log before its end.
//
// Nothing is answered meanwhile: a leader serves when its barrier is applied, which
// comes behind all that, and a follower's reads wait for the leader's index.

// replay is the work that comes before anything that raft asks of the state machine.
type replay struct {
	snapshot string // its id; empty: there is none
	from, to uint64 // the entries behind from up to to are to be applied

	done chan struct{}
	err  error // set before done is closed
}

func newReplay() *replay { return &replay{done: make(chan struct{})} }

func (r *replay) finish(err error) {
	r.err = err
	close(r.done)
}

// wait waits until the state is as the snapshot says that raft began with; it fails if
// it will never be so. A nil replay has nothing to do.
func (r *replay) wait() error {
	if r == nil {
		return nil
	}
	<-r.done
	return r.err
}

// over tells whether there is nothing to wait for.
func (r *replay) over() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// beginning is what raft finds when it starts, in place of the snapshots that there are.
type beginning struct {
	SnapshotStore
	first atomic.Pointer[raft.SnapshotMeta] // what the first List shows alone; nil: what there is
}

// List returns the snapshots, newest first. NewRaft asks once, before it starts any
// goroutine, and opens none (raft.Config.NoSnapshotRestoreOnStart); all others send or
// count snapshots.
func (b *beginning) List() ([]*raft.SnapshotMeta, error) {
	if meta := b.first.Swap(nil); meta != nil {
		return []*raft.SnapshotMeta{meta}, nil
	}
	return b.SnapshotStore.List()
}

// begin finds out from where raft is to begin, and what is to be done up to there.
func (g *Group) begin() (*beginning, error) {
	list, err := g.snapshots.List()
	if err != nil {
		return nil, err
	}
	var from raft.SnapshotMeta
	if len(list) > 0 {
		from = *list[0]
		g.replay.snapshot, g.replay.from = from.ID, from.Index
	}
	g.replay.to = from.Index
	b := &beginning{SnapshotStore: g.snapshots}
	known := g.log.Committed()
	if known.Index <= from.Index {
		return b, nil
	}
	from.Version = raft.SnapshotVersionMax
	from.Index, from.Term = known.Index, known.Term
	if known.MembersIndex > from.ConfigurationIndex {
		from.Configuration, from.ConfigurationIndex = raft.DecodeConfiguration(known.Members), known.MembersIndex
	}
	if len(from.Configuration.Servers) > 0 {
		g.replay.to = from.Index
		b.first.Store(&from)
	}
	return b, nil
}

// restore brings the state to where the newest snapshot ends. Raft would go on with an
// older one if that is damaged, past which the log may be compacted.
func (g *Group) restore() error {
	if g.replay.snapshot == "" {
		return nil
	}
	path := g.snapshots.Newest().Path
	_, source, err := g.snapshots.Open(g.replay.snapshot)
	if err == nil {
		err = g.fsm.Restore(source)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// replayLog applies the entries behind the snapshot that are known to be committed.
func (g *Group) replayLog(ctx context.Context) {
	makeWay, state := g.newWay(ctx), g.fsm.NewReplay()
	usual := runtime.GOMAXPROCS(0)
	state.SetWorkers(usual)
	if g.replay.from < g.replay.to {
		defer g.hurry()()
	}
	leads := false
	err := g.log.Each(g.replay.from+1, g.replay.to, func(log *raft.Log) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if log.Type != raft.LogCommand && log.Type != raft.LogConfiguration {
			return nil // raft does not show it to a state machine either
		}
		if now := g.raft.State() == raft.Leader; now != leads {
			leads = now
			if leads {
				state.SetWorkers(runtime.GOMAXPROCS(0))
			} else {
				state.SetWorkers(usual) // the other processors are for messages
			}
		}
		state.Apply(log)
		makeWay()
		return g.fsm.Err()
	})
	state.Flush()
	if err != nil && ctx.Err() == nil && g.fsm.Err() == nil {
		if !errors.Is(err, raftlog.ErrDamaged) {
			err = fmt.Errorf("the log cannot be read any more: %w", err)
		}
		g.fatal(err)
	}
	g.replay.finish(err)
}

// hurry lets the process use more processors, where they are to be had, until what it
// returns is called.
func (g *Group) hurry() (slower func()) {
	if g.config.Hurry == nil {
		return func() {}
	}
	return g.config.Hurry()
}

// Until somebody leads, each rests as long as it works: processors may be shared, and votes
// come first. Then a follower lets the leader go first, for at most leaderFirst: nobody can
// use its state before the leader serves, be it for reads or as the next leader's. That the
// leader is through its replay, a follower sees by its commit index (told).
const (
	leaderFirst = 5 * time.Second
	// lookAgain is how long a follower rests before it looks again.
	lookAgain = 5 * time.Millisecond
)

// newWay returns what makes way for others; it is called after each entry, by one
// goroutine.
func (g *Group) newWay(ctx context.Context) func() {
	began, resumed := time.Now(), time.Now()
	return func() {
		work := time.Since(resumed)
		if work < leastWork {
			return
		}
		if g.raft.State() != raft.Leader && g.Leader() == "" {
			time.Sleep(min(work, longestRest))
		}
		for g.raft.State() == raft.Follower && g.raft.CommitIndex() == 0 && g.Leader() != "" && time.Since(began) < leaderFirst && ctx.Err() == nil {
			time.Sleep(lookAgain)
		}
		resumed = time.Now()
	}
}

// told is the log as this replica's messages speak of it. A leader tells of no commit
// before it has replayed its log.
type told struct {
	*raftlog.Log
	replay *replay
}

// Durable returns the index up to which followers may learn of commits.
func (t told) Durable() uint64 {
	if !t.replay.over() {
		return 0
	}
	return t.Log.Durable()
}
