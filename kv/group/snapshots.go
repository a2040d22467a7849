package group

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/snapshot"
)

// How much log stays behind a snapshot, so that a follower that is a little
// behind gets entries and not the whole state.
const (
	minTrailing     = 64       // entries
	defaultTrailing = 16 << 20 // bytes, aim: Config.TrailingBytes
	// holdBytes is how much log is held for a follower that is installing a
	// snapshot: compacting past what it will need next sends it into a loop.
	holdBytes = 512 << 20
)

// snapshotInterval is how often the need for a snapshot is looked at.
const snapshotInterval = 500 * time.Millisecond

// SnapshotStore keeps raft's snapshots. A snapshot appears when its sink is closed,
// whole and on disk.
type SnapshotStore interface {
	raft.SnapshotStore
	// Newest returns the newest snapshot; its Index is 0 if there is none.
	Newest() snapshot.Info
}

var _ SnapshotStore = (*snapshot.Store)(nil)

func (g *Group) openSnapshots() (SnapshotStore, error) {
	if g.config.Snapshots != nil {
		return g.config.Snapshots, nil
	}
	s, err := snapshot.OpenStore(filepath.Join(g.config.Dir, "snapshots"), snapshot.StoreOptions{})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (g *Group) trailingBytes() uint64 {
	if g.config.TrailingBytes > 0 {
		return uint64(g.config.TrailingBytes)
	}
	return defaultTrailing
}

// snapshotLoop takes a snapshot when replaying the log that it would replace
// takes longer than the replay budget, and it is this replica's turn (snapshotTurns).
func (g *Group) snapshotLoop(ctx context.Context) {
	if g.config.ReplayBudget <= 0 {
		return
	}
	seen, since := g.activity(), time.Now()
	var wait *turnWait // nil: no snapshot is due
	every(ctx, g.pulse, func() time.Duration { return snapshotInterval }, func() {
		if now := g.activity(); now != seen {
			seen, since = now, time.Now()
		}
		due, reason := g.snapshotDue(time.Since(since))
		if !due {
			wait = nil
			return
		}
		if wait == nil {
			wait = g.newTurnWait()
		}
		if !g.myTurn(ctx, wait) {
			return
		}
		wait = nil
		g.config.Logger.Info("taking a snapshot", "topic", "snapshot", "group", g.config.ID, "index", g.fsm.Applied(), "reason", reason)
		if err := g.Snapshot(); err != nil && !errors.Is(err, raft.ErrNothingNewToSnapshot) && ctx.Err() == nil {
			g.config.Logger.Warn("no snapshot was taken", "topic", "snapshot", "group", g.config.ID, "error", err)
		}
	})
}

// activity is what clients do with a group, as far as a replica sees it.
type activity struct{ effect, reads uint64 }

func (g *Group) activity() activity {
	return activity{g.fsm.LastEffect(), g.leaderReads.count() + g.followerReads.count()}
}

// snapshotDue tells whether a snapshot should be taken, the replica having been idle for so long.
func (g *Group) snapshotDue(idle time.Duration) (bool, string) {
	newest := g.snapshots.Newest()
	first, last := g.log.Bounds()
	entries := g.fsm.Applied() - min(newest.Index, g.fsm.Applied())
	size := g.log.SizeBytes()
	return snapshot.Budget{Replay: g.config.ReplayBudget}.Due(snapshot.Progress{
		Entries:    entries,
		ApplyTime:  g.fsm.BusySinceSnapshot(),
		NewBytes:   int64(float64(size) * float64(entries) / float64(max(last-first+1, entries, 1))),
		LogBytes:   size,
		StateBytes: g.fsm.Memory(),
		WriteTime:  newest.Took,
		Idle:       idle,
	})
}

// Snapshot takes a snapshot now, be it this replica's turn or not, and compacts the log
// behind it. It runs beside traffic.
func (g *Group) Snapshot() error {
	if !g.snapping.CompareAndSwap(false, true) {
		return errors.New("a snapshot is being taken already")
	}
	defer g.snapping.Store(false)
	if err := g.setTrailing(); err != nil {
		return err
	}
	defer g.tellWriting()()
	start := time.Now()
	if err := ending(g, g.raft.Snapshot()).Error(); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	if g.config.Observe.Snapshot != nil {
		g.config.Observe.Snapshot(g.snapshots.Newest().Size, time.Since(start))
	}
	return nil
}

// setTrailing tells raft how many entries to keep: entries differ in size by a
// factor of thousands, so the number follows from their average.
func (g *Group) setTrailing() error {
	first, last := g.log.Bounds()
	entries := last - first + 1
	if last == 0 {
		entries = 0
	}
	keep := uint64(minTrailing)
	if entries > 0 {
		average := max(uint64(g.log.SizeBytes())/entries, 1)
		keep = max(keep, g.trailingBytes()/average)
		if held := g.heldFor(first, last); held > keep && held*average <= holdBytes {
			keep = held
		}
	}
	return g.reload(func(c *raft.ReloadableConfig) { c.TrailingLogs = min(keep, 1<<20) })
}

// heldFor returns how many entries a live follower still lacks.
func (g *Group) heldFor(first, last uint64) uint64 {
	term := g.serving.Load()
	if term == 0 {
		return 0
	}
	var held uint64
	for _, s := range g.Servers() {
		if s.ID == g.config.Replica {
			continue
		}
		match, heard := g.acks.match(s.ID, term)
		if time.Since(heard) < 10*g.config.Timing.Heartbeat && match < last {
			held = max(held, last-max(match, first-1))
		}
	}
	return held
}

// Writing an image takes one part in writerShare of a processor and of the disk,
// however large the state is and however slow the machine. A fixed rate does not do:
// a block of 256 KiB takes 2 ms of a processor, so three nodes on two processors that
// wrote 64 MiB a second each took all of both.
const (
	writerShare = 4
	// leastWork is worth a rest: timers are coarse.
	leastWork = time.Millisecond
	// longestRest bounds the rest after work that met something else, such as a process
	// that was stopped.
	longestRest = 100 * time.Millisecond
)

// newPace returns what leaves room for traffic while an image of the state is
// written: it is called after each block, by one goroutine, and rests. Each image has
// its own, since a digest may be taken while raft takes a snapshot.
func newPace() func() {
	resumed := time.Now()
	return func() {
		// Writing waits for the same processors and disk as traffic does: where there is
		// no room it takes longer, and so does the rest.
		work := time.Since(resumed)
		if work < leastWork {
			return
		}
		time.Sleep(min((writerShare-1)*work, longestRest))
		resumed = time.Now()
	}
}
