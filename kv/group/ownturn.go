package group

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/kv"
)

// How long a replica waits for its turn to write a snapshot (snapshotTurns). Then it goes
// ahead, for the log must not grow without bound.
const (
	// askTurnTimeout bounds one question. The leader answers from memory.
	askTurnTimeout = time.Second
	// unansweredWait is for when nobody answers, or the leader is of a version that does
	// not know the question.
	unansweredWait = 10 * time.Second
	// turnWaited is how many times as long as its own last snapshot took another one's
	// turn may take, and at least leastWait: the machine may be busier now. It is also
	// for when nobody leads as yet.
	turnWaited = 4
	leastWait  = time.Minute
	// mostWait bounds the wait for all the others.
	mostWait = 10 * time.Minute
)

// ServeTurn answers a replica of the group, on the leader: whose turn it is to write a
// snapshot, as of now, or "". A replica asks every half second for as long as it waits
// for its turn, and tells as often that it writes.
func (g *Group) ServeTurn(replica raft.ServerID, turn Turn) (raft.ServerID, error) {
	term := g.serving.Load()
	if term == 0 {
		return "", g.whyNotServing()
	}
	return g.turns.ask(time.Now(), term, replica, turn), nil
}

// askTurn asks the leader, which may be this replica.
func (g *Group) askTurn(ctx context.Context, turn Turn) (raft.ServerID, error) {
	if g.Serving() {
		return g.ServeTurn(g.config.Replica, turn)
	}
	peer, leader := g.raft.LeaderWithID()
	if peer == "" || leader == g.config.Replica {
		return "", kv.ErrNoLeader
	}
	ctx, cancel := context.WithTimeout(ctx, askTurnTimeout)
	defer cancel()
	return g.config.AskTurn(ctx, peer, g.config.Replica, turn)
}

// takesTurns tells whether there is anybody to take turns with.
func (g *Group) takesTurns() bool { return g.config.AskTurn != nil && len(g.Servers()) > 1 }

// myTurn tells whether this replica may write a snapshot now. It is called every
// snapshotInterval while it wants to.
func (g *Group) myTurn(ctx context.Context, w *turnWait) bool {
	if !g.takesTurns() || g.log.Writable() != nil {
		return true // a disk that is full needs the log to be compacted at once
	}
	turn, err := g.askTurn(ctx, TurnWanted)
	return w.over(time.Now(), turn, err)
}

// turnWait is a replica's wait for its turn.
type turnWait struct {
	self raft.ServerID
	each time.Duration // how long the turn of one other may take
	log  *slog.Logger

	since    time.Time     // zero: it does not wait yet
	answered time.Time     // when the last answer came
	turn     raft.ServerID // whose turn it is, by that; "": nobody's
	turned   time.Time     // since when it is
	told     bool
}

func (g *Group) newTurnWait() *turnWait {
	took := g.snapshots.Newest().Took
	return &turnWait{
		self: g.config.Replica, each: max(leastWait, turnWaited*took),
		log: g.config.Logger.With("topic", "snapshot", "group", g.config.ID),
	}
}

// over notes an answer, or that there was none, and tells whether the wait is over.
func (w *turnWait) over(now time.Time, turn raft.ServerID, err error) bool {
	if w.since.IsZero() {
		w.since, w.answered, w.turned = now, now, now
	}
	// One that leads no more or not yet is an answer, too: without a leader the log does
	// not grow.
	if reply := kv.ReplyError(""); err == nil || errors.As(err, &reply) {
		w.answered = now
	}
	if err == nil && turn != w.turn {
		w.turn, w.turned = turn, now
	}
	waited := now.Sub(w.since)
	switch {
	case err == nil && turn == w.self:
		return true
	case now.Sub(w.answered) >= unansweredWait:
		w.log.Info("nobody tells whose turn it is to take a snapshot: going ahead", "waited", waited, "error", err)
		return true
	case now.Sub(w.turned) >= w.each || waited >= mostWait:
		w.log.Info("waited long enough for the turn to take a snapshot: going ahead", "waited", waited, "turn", string(w.turn), "error", err)
		return true
	case w.told:
	case err != nil:
		w.log.Info("waiting for the turn to take a snapshot", "error", err)
		w.told = true
	case turn != "":
		w.log.Info("waiting for the turn to take a snapshot", "turn", string(turn))
		w.told = true
	}
	return false
}

// tellWriting tells the leader, now and every snapshotInterval, that this replica writes
// a snapshot, until the function that it returns is called.
func (g *Group) tellWriting() (stop func()) {
	if !g.takesTurns() {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		// What the leader does not hear it hears later, or learns by turnLapse.
		g.askTurn(ctx, TurnTaken)
		every(ctx, g.pulse, func() time.Duration { return snapshotInterval }, func() { g.askTurn(ctx, TurnTaken) })
		g.askTurn(context.Background(), TurnOver)
	}()
	return func() {
		cancel()
		<-done
	}
}
