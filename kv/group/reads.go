package group

import (
	"context"
	"sync"
	"time"

	"raftkv/kv"
)

// reader finds points at which the local state may be read linearizably. All
// reads that wait share one confirmation of leadership.
type reader struct {
	confirm func(ctx context.Context) kv.ReplyError // one round
	timeout time.Duration

	mu      sync.Mutex
	waiting *readRound
	closed  bool
	signal  chan struct{} // capacity 1
	ctx     context.Context
	cancel  context.CancelFunc
	done    chan struct{}
}

// readRound is one confirmation and all who wait for it.
type readRound struct {
	done chan struct{}
	err  kv.ReplyError // valid once done is closed
}

func newReader(timeout time.Duration, confirm func(context.Context) kv.ReplyError) *reader {
	r := &reader{confirm: confirm, timeout: timeout, signal: make(chan struct{}, 1), done: make(chan struct{})}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// join makes the caller part of the next round: one that begins after now.
func (r *reader) join() (*readRound, kv.ReplyError) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, kv.ErrClosing
	}
	if r.waiting == nil {
		r.waiting = &readRound{done: make(chan struct{})}
		select {
		case r.signal <- struct{}{}:
		default:
		}
	}
	return r.waiting, ""
}

// run confirms round after round until close is called.
func (r *reader) run() {
	defer close(r.done)
	for {
		select {
		case <-r.signal:
		case <-r.ctx.Done():
		}
		r.mu.Lock()
		round := r.waiting
		r.waiting = nil
		closed := r.closed
		r.mu.Unlock()
		if round != nil {
			if closed {
				round.err = kv.ErrClosing
			} else {
				limited, release := context.WithTimeout(r.ctx, r.timeout)
				round.err = r.confirm(limited)
				release()
			}
			close(round.done)
		}
		if closed {
			return
		}
	}
}

// close refuses further reads. Wait for the last round with <-r.done.
func (r *reader) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.cancel()
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
	round, err := r.join()
	if err != "" {
		return err
	}
	select {
	case <-round.done:
		if round.err != "" {
			return round.err
		}
		return nil
	case <-ctx.Done():
		return kv.ErrNoQuorum
	}
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
	for {
		confirmed, changed := g.acks.confirmed(term, g.voters(), start)
		if !confirmed.Before(start) {
			break
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return kv.ErrNoQuorum
		}
		if g.serving.Load() != term {
			return g.whyNotServing()
		}
	}
	// A transfer that began meanwhile ends this term's right to answer: the
	// target may win at any moment and need not wait for a timeout.
	if g.serving.Load() != term {
		return g.whyNotServing()
	}
	if err := g.fsm.WaitApplied(ctx, commit); err != nil {
		return kv.ErrNoQuorum
	}
	return ""
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
