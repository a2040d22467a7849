package group

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/kv"
)

// reader finds points at which the local state may be read linearizably. All
// reads that wait share one confirmation of leadership, a round; one is under way at a
// time. Whoever comes first makes the round for all: a goroutine of the reader's own
// would have to be woken for each, and then wake those who wait.
type reader struct {
	confirm func(ctx context.Context) kv.ReplyError // one round
	timeout time.Duration
	observe func(took time.Duration) // told of each round that succeeded; may be nil

	mu      sync.Mutex
	waiting *readRound // the next one; nil if nobody waits
	current *readRound // under way, or nil
	made    uint64     // rounds, all
	closed  bool
	rounds  sync.WaitGroup
	ctx     context.Context
	cancel  context.CancelFunc
}

// readRound is one confirmation and all who wait for it.
type readRound struct {
	done chan struct{}
	err  kv.ReplyError // valid once done is closed
}

func newReader(timeout time.Duration, confirm func(context.Context) kv.ReplyError) *reader {
	r := &reader{confirm: confirm, timeout: timeout}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// join makes the caller part of the next round, one that begins after now, and waits
// for its end. It returns when ctx ends, unless the caller makes the round.
func (r *reader) join(ctx context.Context) kv.ReplyError {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return kv.ErrClosing
	}
	if round := r.waiting; round != nil {
		r.mu.Unlock()
		select {
		case <-round.done:
			return round.err
		case <-ctx.Done():
			return kv.ErrNoQuorum
		}
	}
	round, before := &readRound{done: make(chan struct{})}, r.current
	r.waiting = round
	r.rounds.Add(1)
	r.mu.Unlock()
	defer r.rounds.Done()
	if before != nil {
		<-before.done
	}
	r.make(round)
	return round.err
}

// make makes a round, after the one before has ended.
func (r *reader) make(round *readRound) {
	r.mu.Lock()
	r.waiting, r.current = nil, round
	r.made++
	r.mu.Unlock()
	if round.err = kv.ErrClosing; r.ctx.Err() == nil {
		start := time.Now()
		limited, release := context.WithTimeout(r.ctx, r.timeout)
		round.err = r.confirm(limited)
		release()
		if round.err == "" && r.observe != nil {
			r.observe(time.Since(start))
		}
	}
	r.mu.Lock()
	r.current = nil
	r.mu.Unlock()
	close(round.done)
}

// count returns how many rounds there have been.
func (r *reader) count() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.made
}

// close refuses further reads and waits for those under way, whose rounds end early.
func (r *reader) close() {
	r.mu.Lock()
	r.closed = true
	r.cancel()
	r.mu.Unlock()
	r.rounds.Wait()
}

// ReadMode says what a read may rely on.
type ReadMode uint8

// The modes of reads.
const (
	// Linearizable reads see every write that was acknowledged before they
	// began. They cost one confirmation, which all waiting reads share.
	Linearizable ReadMode = iota
	// Stale reads see whatever this replica has applied.
	Stale
)

// ReadIndex waits until the local state may be read: as soon as it returns nil,
// the state has every write that was acknowledged before the call. On a leader
// leadership is confirmed; on a follower the leader is asked. Errors are
// definite: nothing was read.
func (g *Group) ReadIndex(ctx context.Context, mode ReadMode) error {
	if err := g.fsm.Err(); err != nil {
		return kv.ErrNotReady
	}
	if mode == Stale {
		return nil
	}
	r := g.followerReads
	if g.serving.Load() != 0 {
		r = g.leaderReads
	}
	if err := r.join(ctx); err != "" {
		return err
	}
	return nil
}

// confirmLeader is a leader's round: the commit index as of now, leadership as
// of now, then the state at that index (Raft dissertation, section 6.4).
func (g *Group) confirmLeader(ctx context.Context) kv.ReplyError {
	// Order matters: whatever was acknowledged before a caller joined is
	// committed, so it lies at or below the commit index read here.
	start := time.Now()
	term := g.serving.Load()
	if term == 0 {
		return g.whyNotServing()
	}
	if g.config.Broken&Confirmation != 0 {
		return ""
	}
	commit := g.raft.CommitIndex()
	if g.config.Broken&Barrier == 0 || g.barred.Load() == term { // a tick would be a barrier, too
		if err := g.expireDue(); err != "" {
			return err
		}
	}
	// raft's VerifyLeader would make the same heartbeats go out, by way of its
	// main loop and a goroutine for each follower.
	g.config.Transport.Confirm(g.acks.promptest(g.Servers()), term)
	if err := g.awaitQuorum(ctx, term, start, g.voters); err != "" {
		return err
	}
	if err := g.fsm.WaitApplied(ctx, commit); err != nil {
		return kv.ErrNoQuorum
	}
	return ""
}

// awaitQuorum waits until a quorum of the voters has answered this leader of term what it
// was sent after start.
func (g *Group) awaitQuorum(ctx context.Context, term uint64, start time.Time, voters func() []raft.ServerID) kv.ReplyError {
	for {
		confirmed, changed := g.acks.confirmed(term, voters(), start)
		// A transfer that began meanwhile ends this term's right to answer: the
		// target may win at any moment and need not wait for a timeout.
		if g.serving.Load() != term {
			return g.whyNotServing()
		}
		if !confirmed.Before(start) {
			return ""
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return kv.ErrNoQuorum
		}
	}
}

// confirmFollower is a follower's round: the leader tells which index to wait
// for.
func (g *Group) confirmFollower(ctx context.Context) kv.ReplyError {
	index, err := g.config.AskReadIndex(ctx, g.LeaderPeer(), g.fsm.Applied())
	if err != nil {
		if reply, ok := err.(kv.ReplyError); ok {
			return reply
		}
		return kv.ErrNoLeader
	}
	if err := g.fsm.WaitApplied(ctx, index); err != nil {
		return kv.ErrNotReady
	}
	return ""
}

// ServeReadIndex answers a follower that has applied up to applied: the index
// it has to wait for.
func (g *Group) ServeReadIndex(ctx context.Context, applied uint64) (uint64, error) {
	if g.serving.Load() == 0 {
		return 0, g.whyNotServing()
	}
	if err := g.ReadIndex(ctx, Linearizable); err != nil {
		return 0, err
	}
	index := g.fsm.LastEffect()
	if index > applied {
		g.Publish()
	}
	return index, nil
}

// Publish makes followers learn at once what has been committed. Raft tells them
// with the next entry or after Timing.Commit, and heartbeats do not carry it; so
// an empty entry is sent. It does not wait.
func (g *Group) Publish() {
	select {
	case g.publish <- struct{}{}:
	default: // an entry that has not left yet will do
	}
}

func (g *Group) publishLoop(ctx context.Context) {
	for {
		select {
		case <-g.publish:
			p := NewProposal()
			p.kind = barrierKind
			g.proposer.propose(p)
			p.Wait()
		case <-ctx.Done():
			return
		}
	}
}

// expireDue brings the log's clock forward if a key is due by the wall clock,
// so that no read sees a key past its deadline, nor one come back later.
func (g *Group) expireDue() kv.ReplyError {
	deadline, ok := g.fsm.NextDeadline()
	if !ok || deadline > g.config.Now().UnixMilli() {
		return ""
	}
	return g.tick()
}

// tick proposes an entry that carries only the clock and waits for it.
func (g *Group) tick() kv.ReplyError {
	p := NewProposal()
	g.proposer.propose(p)
	p.Wait()
	return p.failure
}
