package group

import (
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

const (
	// turnLapse is for how long a replica counts that does not ask again, as when its
	// process has ended. It asks every snapshotInterval, while it waits and while it
	// writes.
	turnLapse = 3 * time.Second
	// leaderLast is how much later than it asks the leader's turn is reckoned: replicas
	// are due at about the same time, and while the followers write, the leader is not
	// disturbed.
	leaderLast = 2 * snapshotInterval
)

// Turn is what a replica tells its leader of a snapshot. The numbers are part of the
// protocol between nodes.
type Turn uint8

// In this order.
const (
	TurnWanted Turn = iota // it waits for its turn
	TurnTaken              // it writes, be it its turn or not
	TurnOver               // it writes no more
)

// snapshotTurns is what a leader remembers to let the replicas of its group write
// snapshots one after the other: whoever writes disturbs its own share of the writes,
// and as long as that is one replica of three, a quorum is spared. They ask again and
// again; the one that has waited longest goes first.
//
// Nothing but speed depends on it. So it lives in memory, and a new leader grants
// nothing until all who write have had the time to tell it. Its methods may be
// called from any goroutine.
type snapshotTurns struct {
	self raft.ServerID

	mu     sync.Mutex
	term   uint64    // what follows is of this term
	opens  time.Time // no turn is granted before
	askers map[raft.ServerID]turnAsker
}

// turnAsker is a replica that waits for its turn, or writes.
type turnAsker struct {
	since  time.Time // from when on its waiting is reckoned
	heard  time.Time // when it asked last
	writes bool
}

func newSnapshotTurns(self raft.ServerID) *snapshotTurns { return &snapshotTurns{self: self} }

// begin forgets what was of earlier terms, when this replica begins to serve.
func (t *snapshotTurns) begin(now time.Time, term uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.term == term {
		return // it has only paused, for a transfer that failed
	}
	t.term, t.opens, t.askers = term, now.Add(turnLapse), make(map[raft.ServerID]turnAsker)
}

// ask returns whose turn it is to write a snapshot, by the leader of term: the asking
// replica's own, or that of one before it, or as yet nobody's (""). One that writes
// is not refused. One that wants a turn while it writes, by what is known here, has written, and
// is the last of those who wait.
func (t *snapshotTurns) ask(now time.Time, term uint64, replica raft.ServerID, turn Turn) raft.ServerID {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.term != term {
		return "" // this leadership has ended meanwhile
	}
	for id, a := range t.askers {
		if now.Sub(a.heard) > turnLapse {
			delete(t.askers, id)
		}
	}
	if turn == TurnOver {
		delete(t.askers, replica)
		return ""
	}
	own, known := t.askers[replica]
	writes := turn == TurnTaken
	if !known || own.writes && !writes {
		own.since = now
		if replica == t.self {
			own.since = now.Add(leaderLast)
		}
	}
	own.heard, own.writes = now, writes
	t.askers[replica] = own
	if writes {
		return replica
	}
	next := t.next(now)
	if next == replica {
		own.writes = true
		t.askers[replica] = own
	}
	return next
}

// next returns who writes, or else whose turn it is, or "". It must be called with mu
// held.
func (t *snapshotTurns) next(now time.Time) (next raft.ServerID) {
	var since time.Time
	for id, a := range t.askers {
		switch {
		case a.writes:
			return id
		case next == "" || a.since.Before(since) || a.since.Equal(since) && id < next:
			next, since = id, a.since
		}
	}
	if now.Before(t.opens) || now.Before(since) {
		return ""
	}
	return next
}
