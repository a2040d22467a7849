// Package fsm is the state machine of a group: it applies raft entries to a
// store, keeps sessions, guards which slots the group serves, and takes and
// restores snapshots.
package fsm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/kv"
	"raftkv/kv/store"
	"raftkv/shard"
	"raftkv/shard/controller"
)

// Options configure a state machine.
type Options struct {
	Group   uint32
	Cluster string // id of the cluster, for snapshots
	// SnapshotPace, if set, returns what is called while one image of the state is
	// written, after each block; that may sleep to leave room for traffic. Several
	// images may be written at a time.
	SnapshotPace func() func()
	// Applied, if set, is called after each entry with the commands that it
	// held and how long it took. It must be quick.
	Applied func(commands, bytes int, took time.Duration)
	// Fatal is called once, on its own goroutine's behalf, when the replica
	// must stop: its state would diverge from the others'. It must not block.
	Fatal func(error)
	// GateChanged, if set, is called when the group begins or ends to serve slots,
	// with the state locked. It must not block nor ask the state.
	GateChanged func()
	// MapChanged, if set, is called in group 0 when there is a newer shard map. It
	// must not block.
	MapChanged func()
	// Broken are rules that shall not hold, and LocalClock, if set, is what is taken
	// for the time in ms instead of the entries' clock: tests show that what follows is
	// found out.
	Broken     Rules
	LocalClock func() int64
	// Log, if set, is told what happens to sessions, by the replica that answers.
	Log *slog.Logger
}

// FSM is a group's replicated state. Raft calls Apply, Snapshot and Restore
// from one goroutine; View and the accessors may be called from any.
type FSM struct {
	opts Options

	mu    sync.RWMutex // guards state and what it points to
	state *state

	wanted atomic.Pointer[byte] // first byte of the entry whose replies are wanted
	effect atomic.Uint64        // index of the last entry that changed anything
	busy   atomic.Int64         // time spent applying, ns
	// atSnapshot is busy at the newest snapshot: what came after it would have to
	// be done again.
	atSnapshot atomic.Int64
	memory     atomic.Int64 // estimated bytes of the state
	serves     atomic.Pointer[slotSet]
	shardMap   atomic.Pointer[shard.Map] // in group 0
	keys       atomic.Int64
	failure    atomic.Pointer[error]
	applied    progress

	restoreTook atomic.Int64 // ns, of the last restore

	sessionLog sessionLog

	partRecords int // in one part of a migration, at most; never changes
}

var (
	_ raft.FSM         = (*FSM)(nil)
	_ raft.BatchingFSM = (*FSM)(nil)
)

// New returns an empty state machine.
func New(opts Options) *FSM {
	f := &FSM{opts: opts, state: newState(store.New()), partRecords: maxPartRecords}
	f.state.broken = opts.Broken
	f.sessionLog = sessionLog{log: opts.Log, group: opts.Group, now: time.Now}
	f.serves.Store(new(slotSet))
	f.shardMap.Store(new(shard.Map))
	if opts.Group == shard.Controller {
		f.state.controller = controller.New()
	}
	return f
}

// publish shows readers what the state says about slots. It must be called with
// mu held.
func (f *FSM) publish() {
	set := new(slotSet)
	for slot, state := range f.state.slots.state {
		if state.Serves() {
			set.add(uint16(slot))
		}
	}
	f.serves.Store(set)
	f.state.slots.changed = false
	if f.opts.GateChanged != nil {
		f.opts.GateChanged()
	}
}

// Result is what Apply returns through raft's future to the proposer.
type Result struct {
	Term    uint64
	Index   uint64
	Replies []kv.Reply // only for the entry that was announced by Want
}

// Want announces the entry whose replies the local proposer waits for. For all
// other entries replies are not made and reads are skipped: on a follower they
// would be thrown away. One entry can be wanted at a time.
func (f *FSM) Want(entry []byte) { f.wanted.Store(&entry[0]) }

// Apply applies one committed entry.
func (f *FSM) Apply(log *raft.Log) any { return f.applyLog(log) }

// ApplyBatch applies committed entries in order. The lock is taken for each
// entry anew, so that a follower that catches up does not starve its readers.
func (f *FSM) ApplyBatch(logs []*raft.Log) []any {
	out := make([]any, len(logs))
	for i, log := range logs {
		out[i] = f.applyLog(log)
	}
	return out
}

func (f *FSM) applyLog(log *raft.Log) any {
	if f.Err() != nil {
		return f.Err()
	}
	if log.Type != raft.LogCommand {
		// A membership change: it concerns raft alone, but readers wait for its index.
		f.applied.reach(log.Index)
		return nil
	}
	entry, err := DecodeEntry(log.Data)
	if errors.Is(err, ErrVersion) {
		f.fail(fmt.Errorf("entry %d: %w", log.Index, err))
		return err
	}
	if err != nil {
		f.applied.reach(log.Index)
		return err
	}
	if f.opts.LocalClock != nil {
		entry.Clock = f.opts.LocalClock()
	}
	start := time.Now()
	wanted := &log.Data[0] == f.wanted.Load()
	result := &Result{Term: log.Term, Index: log.Index}

	f.mu.Lock()
	replies, changed := f.state.apply(entry, log.Index, log.Term, wanted, nil)
	f.memory.Store(f.state.store.Bytes() + f.state.sessions.memory)
	f.keys.Store(int64(f.state.store.Len()))
	if f.state.slots.changed {
		f.publish()
	}
	if entry.Kind == Admin {
		f.publishMap()
	}
	if changed {
		f.effect.Store(log.Index)
	}
	// Under the lock still, so that an image has the index that its state is of.
	f.applied.reach(log.Index)
	f.mu.Unlock()
	f.sessionLog.write(&f.state.events, log.Term, log.Index)

	result.Replies = replies
	took := time.Since(start)
	f.busy.Add(int64(took))
	if f.opts.Applied != nil {
		f.opts.Applied(len(replies), len(log.Data), took)
	}
	return result
}

// View calls fn under the read lock. fn must not keep the store nor block.
func (f *FSM) View(fn func(*store.Store)) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	fn(f.state.store)
}

// Serves tells whether the group serves slot now. It takes no lock: it is on the
// way of every command. Whoever reads must ask again inside of View, where the
// answer is that of the store's moment: a slot that was served when a command
// came may have gone by then.
func (f *FSM) Serves(slot uint16) bool { return f.serves.Load().has(slot) }

// Expiring returns the number of keys with a deadline.
func (f *FSM) Expiring() int64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return int64(f.state.store.Expiring())
}

// Sessions returns the number of clients' sessions.
func (f *FSM) Sessions() int64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return int64(f.state.sessions.len())
}

// Ownership returns the slots that the group serves and the newest epoch of a
// change to them.
func (f *FSM) Ownership() ([]shard.Range, uint64) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.state.slots.serving(), f.state.epoch
}

// Untouched returns those of slots that the group has never had to do with. If
// the map says that they are its own, it is to take them (OwnSlots).
func (f *FSM) Untouched(slots []shard.Range) []shard.Range {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.state.slots.untouched(slots)
}

// MaxValue returns the largest value in bytes that commands may build up.
func (f *FSM) MaxValue() int {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.state.exec.MaxValue
}

// NextDeadline returns when the next key expires, in ms since the Unix epoch;
// false if none does.
func (f *FSM) NextDeadline() (int64, bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.state.store.NextDeadline()
}

// Clock returns the log's time in ms: the newest clock that an entry carried.
func (f *FSM) Clock() int64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.state.store.Clock()
}

// Applied returns the index of the last entry that was applied.
func (f *FSM) Applied() uint64 { return f.applied.index.Load() }

// LastEffect returns the index of the last applied entry that changed what a
// reader sees; later ones were barriers and idle ticks.
func (f *FSM) LastEffect() uint64 { return f.effect.Load() }

// BusySinceSnapshot returns how long applying has taken since the last snapshot
// or restore: about what a restart needs to do it again.
func (f *FSM) BusySinceSnapshot() time.Duration {
	return time.Duration(f.busy.Load() - f.atSnapshot.Load())
}

// Memory returns an estimate of the state's bytes.
func (f *FSM) Memory() int64 { return f.memory.Load() }

// Keys returns the number of keys.
func (f *FSM) Keys() int64 { return f.keys.Load() }

// RestoreTook returns how long the last restore from a snapshot took.
func (f *FSM) RestoreTook() time.Duration { return time.Duration(f.restoreTook.Load()) }

// WaitApplied waits until the entry at index is applied, ctx ends or the
// replica has failed.
func (f *FSM) WaitApplied(ctx context.Context, index uint64) error {
	if f.applied.index.Load() >= index {
		return f.Err()
	}
	reached := f.applied.wait(index)
	defer f.applied.forget(reached)
	select {
	case <-reached:
		return f.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Err returns why the replica had to stop, or nil.
func (f *FSM) Err() error {
	if p := f.failure.Load(); p != nil {
		return *p
	}
	return nil
}

func (f *FSM) fail(err error) {
	if f.failure.CompareAndSwap(nil, &err) {
		f.applied.releaseAll()
		if f.opts.Fatal != nil {
			f.opts.Fatal(err)
		}
	}
}

// Restore replaces the state by a snapshot's: all of it or nothing.
func (f *FSM) Restore(source io.ReadCloser) error {
	defer source.Close()
	if err := f.Err(); err != nil {
		// Raft falls back to an older snapshot when one cannot be restored. The
		// log may be compacted past it, so the first failure is final.
		return err
	}
	start := time.Now()
	fresh, header, err := readState(source)
	if err != nil {
		err = fmt.Errorf("restore snapshot: %w", err)
		f.fail(err)
		return err
	}
	if header.Group != f.opts.Group {
		err = fmt.Errorf("restore snapshot: it is of group %d, not of group %d", header.Group, f.opts.Group)
		f.fail(err)
		return err
	}
	fresh.broken = f.opts.Broken
	f.mu.Lock()
	f.state = fresh
	f.memory.Store(fresh.store.Bytes() + fresh.sessions.memory)
	f.keys.Store(int64(fresh.store.Len()))
	f.publish()
	f.publishMap()
	f.mu.Unlock()
	f.effect.Store(header.Index)
	f.atSnapshot.Store(f.busy.Load())
	f.restoreTook.Store(int64(time.Since(start)))
	f.applied.reach(header.Index)
	return nil
}
