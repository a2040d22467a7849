package group

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/kv"
	"raftkv/kv/fsm"
	"raftkv/kv/pulse"
	"raftkv/kv/raftlog"
	"raftkv/kv/store"
	"raftkv/shard/heat"
)

// Timeouts that do not depend on the network.
const (
	// proposeTimeout is when clients of an entry in flight are told UNCERTAIN.
	proposeTimeout = 5 * time.Second
	// readTimeout bounds one confirmation of leadership.
	readTimeout = 2 * time.Second
	// tickInterval is how often a leader looks for keys that are due although
	// nobody reads them.
	tickInterval = 100 * time.Millisecond
	// followerTick is how often any other replica looks whether it leads now.
	followerTick = 500 * time.Millisecond
	// heatHalfLife is after what time what a slot served counts half.
	heatHalfLife = 5 * time.Second
)

// maxAppendEntries bounds one AppendEntries. An entry has up to 512 KiB, so a
// follower that catches up gets at most 32 MiB at a time.
const maxAppendEntries = 64

// Group is one replica of one raft group on this node. Its methods may be
// called from any goroutine.
type Group struct {
	config    Config
	fsm       *fsm.FSM
	log       *raftlog.Log
	snapshots SnapshotStore
	raft      *raft.Raft
	running   atomic.Pointer[raft.Raft] // raft, for those whom it calls before NewRaft has returned
	notify    chan bool
	raftDone  chan struct{} // closed when raft is shut down
	resume    chan struct{}
	acks      *acks
	turns     *snapshotTurns
	proposer  *proposer
	heat      *heat.Counter

	leaderReads   *reader
	followerReads *reader

	serving  atomic.Uint64 // the term in which this replica serves as leader, or 0
	led      atomic.Int64  // when a leader was known last, Unix time in ns; see Settling
	barred   atomic.Uint64 // the last term in which a barrier was applied
	opened   atomic.Bool
	failed   atomic.Pointer[error] // the first reason to stop
	publish  chan struct{}         // has room for one, see Publish
	replay   *replay
	snapping atomic.Bool

	reloading sync.Mutex // guards raft's reloadable settings between reading and writing them

	cancel     context.CancelFunc
	background sync.WaitGroup
	pulse      *pulse.Pulse
	closeOnce  sync.Once
}

// Open starts the replica in config.Dir. A damaged log or snapshot is reported
// as raftlog.ErrDamaged, raftlog.ErrHole or snapshot.ErrDamaged with the file's
// name; nothing is served from it.
func Open(config Config) (_ *Group, err error) {
	if err := os.MkdirAll(config.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("group %d: %w", config.ID, err)
	}
	g := &Group{
		config:   config,
		notify:   make(chan bool, 8),
		raftDone: make(chan struct{}),
		resume:   make(chan struct{}, 1),
		publish:  make(chan struct{}, 1),
		acks:     newAcks(config.Replica),
		turns:    newSnapshotTurns(config.Replica),
		heat:     heat.New(heatHalfLife),
		pulse:    config.Transport.Pulse(),
		replay:   newReplay(),
	}
	defer func() {
		if err != nil {
			config.Transport.Close()
			g.closeStores()
			err = fmt.Errorf("group %d: %w", config.ID, err)
		}
	}()
	config.Transport.OnAppend(g.limitCommits)
	if err := g.openStores(); err != nil {
		return nil, err
	}
	g.fsm = fsm.New(fsm.Options{
		Group:        config.ID,
		Cluster:      config.Cluster,
		SnapshotPace: newPace,
		Applied:      config.Observe.Applied,
		Fatal:        g.fatal,
		MapChanged:   config.MapChanged,
		GateChanged:  config.GateChanged,
		Broken:       config.BrokenState,
		LocalClock:   config.LocalClock,
		Log:          config.Logger,
	})
	if err := g.startRaft(); err != nil {
		return nil, err
	}
	// While raft elects somebody.
	if err := g.restore(); err != nil {
		g.replay.finish(err)
		down := g.raft.Shutdown()
		config.Transport.Close()
		down.Error()
		return nil, err
	}
	g.start()
	g.opened.Store(true)
	if failed := g.failed.Load(); failed != nil {
		// It is off the network, and would be for ever: as when the disk hung for a
		// while and then went on.
		g.Close()
		return nil, *failed
	}
	return g, nil
}

func (g *Group) openStores() error {
	var err error
	if g.snapshots, err = g.openSnapshots(); err != nil {
		return err
	}
	options := g.config.Log
	options.Dir = g.config.Dir
	options.Pulse = g.pulse
	options.OnFailure = func(err error) { g.fatal(fmt.Errorf("the log store failed: %w", err)) }
	options.OnHang = g.hung
	options.Early = g.leading
	options.Wrote = g.traceStored
	if g.log, err = raftlog.Open(options); err != nil {
		return err
	}
	return g.log.Check(g.snapshots.Newest().Index)
}

func (g *Group) startRaft() error {
	c := raft.DefaultConfig()
	c.LocalID = g.config.Replica
	c.HeartbeatTimeout = g.config.Timing.Heartbeat
	c.ElectionTimeout = g.config.Timing.Election
	c.LeaderLeaseTimeout = g.config.Timing.Lease
	c.CommitTimeout = g.config.Timing.Commit
	c.MaxAppendEntries = maxAppendEntries
	c.ShutdownOnRemove = false
	c.NotifyCh = g.notify
	c.Logger = g.config.RaftLog
	c.NoLegacyTelemetry = true
	// Snapshots are taken by replay budget (snapshots.go), not by raft's count.
	c.SnapshotThreshold = math.MaxUint64
	c.SnapshotInterval = 24 * time.Hour
	c.TrailingLogs = minTrailing
	c.NoSnapshotRestoreOnStart = true // see replay.go

	if err := g.found(c); err != nil {
		return err
	}
	g.config.Transport.OnAck(g.acks.record)
	g.config.Transport.OnDisk(told{g.log, g.replay})
	snapshots, err := g.begin()
	if err != nil {
		return err
	}
	g.log.Starting(g.replay.to)
	g.raft, err = raft.NewRaft(c, durableFSM{g.fsm, g.log, g.replay, g.traceApplied}, g.log, g.log, snapshots, g.config.Transport)
	g.log.Started()
	if err != nil {
		return err
	}
	g.running.Store(g.raft)
	return nil
}

func (g *Group) start() {
	ctx, cancel := context.WithCancel(context.Background())
	g.cancel = cancel
	g.proposer = newProposer(&proposer{
		apply: func(entry []byte, timeout time.Duration) raft.ApplyFuture {
			return ending(g, g.raft.ApplyLog(raft.Log{Data: entry, Extensions: raftlog.Claim(g.fsm.Applied())}, timeout))
		},
		want:    g.fsm.Want,
		now:     func() int64 { return g.config.Now().UnixMilli() },
		timeout: proposeTimeout,
		observe: g.config.Observe.Proposed,
		trace:   entryTrace{trace: g.config.Trace, group: g.config.ID},
	})
	g.leaderReads = newReader(readTimeout, g.confirmLeader)
	g.leaderReads.observe = g.config.Observe.ReadRound
	g.followerReads = newReader(readTimeout, g.confirmFollower)
	g.background.Go(func() { g.watchLeadership(ctx) })
	g.background.Go(func() { g.replayLog(ctx) })
	g.background.Go(func() { g.watchReplay(ctx) })
	g.background.Go(func() { g.beatLoop(ctx) })
	g.background.Go(func() { g.watchLeader(ctx) })
	g.background.Go(func() { g.expireLoop(ctx) })
	g.background.Go(func() { g.publishLoop(ctx) })
	g.background.Go(func() { g.snapshotLoop(ctx) })
	go g.proposer.run()
}

// watchReplay measures how long it takes until all of the log that was found at
// the start is applied again.
func (g *Group) watchReplay(ctx context.Context) {
	observe := &g.config.Observe
	if took := g.fsm.RestoreTook(); took > 0 && observe.Restored != nil {
		observe.Restored(took)
	}
	start := time.Now()
	_, last := g.log.Bounds()
	if g.fsm.WaitApplied(ctx, last) == nil && observe.Replayed != nil && last > 0 {
		observe.Replayed(time.Since(start))
	}
}

// ID returns the group's number.
func (g *Group) ID() uint32 { return g.config.ID }

// Propose queues proposals, which travel together if there is room. It never blocks;
// each comes back in bounded time, and failures stand in the replies: definite ones, or
// UNCERTAIN.
func (g *Group) Propose(proposals ...*Proposal) {
	full := g.log.Writable()
	if full != nil || g.config.Broken&Commit != 0 {
		proposals = slices.DeleteFunc(proposals, func(p *Proposal) bool {
			if full != nil && len(p.Ends) > 0 {
				p.fail(writeRefused(full))
				return true
			}
			return g.acknowledgeEarly(p)
		})
	}
	g.proposer.propose(proposals...)
}

// Admin proposes one of package fsm's admin commands and waits for its reply. An
// error in the reply is returned as such.
func (g *Group) Admin(command []byte) (kv.Reply, error) {
	p := NewProposal()
	p.kind = fsm.Admin
	p.Add(command)
	g.Propose(p)
	p.Wait()
	return p.Replies[0], p.Replies[0].Err()
}

// View calls fn under the state's read lock. fn must neither keep the store nor
// block.
func (g *Group) View(fn func(*store.Store)) { g.fsm.View(fn) }

// Serves tells whether the group serves slot, by what this replica has applied.
// It takes no lock: it is on the way of every command.
func (g *Group) Serves(slot uint16) bool { return g.fsm.Serves(slot) }

// Heat counts what this replica serves as leader.
func (g *Group) Heat() *heat.Counter { return g.heat }

// Replica returns this replica's raft id.
func (g *Group) Replica() raft.ServerID { return g.config.Replica }

// State returns the group's state machine.
func (g *Group) State() *fsm.FSM { return g.fsm }

// Quorum returns how many voters make a quorum.
func (g *Group) Quorum() int { return len(g.voters())/2 + 1 }

// writeRefused is the definite error for a log that takes no entries now.
func writeRefused(err error) kv.ReplyError {
	if errors.Is(err, raftlog.ErrFull) {
		return kv.ErrDiskFull
	}
	return kv.ErrClosing
}

// Writable returns nil, or why writes are refused on this replica now.
func (g *Group) Writable() error { return g.log.Writable() }

// Heard returns when a replica last answered this leader; the zero time if this
// replica does not lead.
func (g *Group) Heard(replica string) time.Time {
	_, heard := g.acks.match(raft.ServerID(replica), g.serving.Load())
	return heard
}

// Snapshotting tells whether a snapshot is being taken.
func (g *Group) Snapshotting() bool { return g.snapping.Load() }

// Waiting returns how much waits for the proposer.
func (g *Group) Waiting() (proposals, bytes int) { return g.proposer.waiting() }

// expireLoop lets keys expire that nobody asks for.
func (g *Group) expireLoop(ctx context.Context) {
	interval := func() time.Duration {
		if g.Serving() {
			return tickInterval
		}
		return followerTick
	}
	every(ctx, g.pulse, interval, func() {
		if g.Serving() {
			g.expireDue()
		}
	})
}

// hung is called when the disk does not answer. Raft's heartbeats would go on
// and nobody would elect another leader (hashicorp/raft issue 503), so the
// replica leaves the network at once and its node stops.
func (g *Group) hung(operation string, waited time.Duration) {
	g.serve(0)
	g.config.Transport.Close()
	err := fmt.Errorf("the disk has not answered for %v (%s): stopping, so that another node can lead", waited.Round(time.Millisecond), operation)
	g.failed.CompareAndSwap(nil, &err)
	g.stop(err) // while it opens, too: Open waits for that very disk
}

// fatal notes that the replica must stop, and tells so.
func (g *Group) fatal(err error) {
	if g.failed.CompareAndSwap(nil, &err); !g.opened.Load() {
		return // Open returns it
	}
	g.stop(err)
}

func (g *Group) stop(err error) {
	g.config.Logger.Error("the replica stops", "topic", "store", "group", g.config.ID, "error", err)
	if g.config.Fatal != nil {
		g.config.Fatal(fmt.Errorf("group %d: %w", g.config.ID, err))
	}
}

// Close stops the replica: waiting commands are refused, the one in flight is
// answered, and all goroutines have ended when it returns. To spare clients an
// election, transfer leadership before.
func (g *Group) Close() error {
	var err error
	g.closeOnce.Do(func() {
		g.serve(0)
		g.proposer.close()
		g.leaderReads.close()
		g.followerReads.close()
		g.cancel()
		down := g.raft.Shutdown()
		// A leader whose followers are gone waits for them, and raft for that.
		g.config.Transport.Close()
		err = down.Error()
		close(g.raftDone) // see ending
		<-g.proposer.done
		g.background.Wait()
		err = errors.Join(err, g.closeStores())
	})
	return err
}

func (g *Group) closeStores() error {
	if g.log == nil {
		return nil
	}
	return g.log.Close()
}
