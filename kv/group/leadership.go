package group

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/kv"
	"raftkv/kv/fsm"
)

const barrierKind = fsm.Barrier

// barrierRetry is how long a leader waits before it proposes its barrier again.
const barrierRetry = 20 * time.Millisecond

// watchLeadership turns raft's word that this replica leads into the right to
// serve: a new leader's commit index says nothing until an entry of its own
// term is committed (Raft dissertation, section 6.4; hashicorp/raft issues 603
// and 621), so it proposes a barrier first. The channel is always drained:
// raft blocks on it.
func (g *Group) watchLeadership(ctx context.Context) {
	var leading bool
	barrier := make(chan uint64, 1) // the term in which a barrier was applied; 0: failed
	pending, late := false, false
	start := func() {
		pending, late = true, !g.replay.over()
		g.background.Go(func() { barrier <- g.barrier() })
	}
	for {
		select {
		case leading = <-g.notify:
			g.serve(0)
			if leading && g.config.Broken&Barrier != 0 {
				g.serve(g.raft.CurrentTerm())
			}
			if leading && !pending {
				start()
			}
		case term := <-barrier:
			pending = false
			switch {
			case !leading || ctx.Err() != nil:
			case term != 0 && term == g.raft.CurrentTerm():
				g.barred.Store(term)
				g.serve(term)
				if late {
					g.Publish() // followers wait for it (newWay)
				}
			default:
				select {
				case <-time.After(barrierRetry):
				case <-ctx.Done():
					continue
				}
				start()
			}
		case <-g.resume:
			if leading && !pending {
				start()
			}
		case <-ctx.Done():
			g.serve(0)
			// Raft goes on telling until it is shut down.
			for {
				select {
				case <-g.notify:
				case <-g.raftDone:
					return
				}
			}
		}
	}
}

// barrier proposes an empty entry and returns the term in which it was applied,
// or 0.
func (g *Group) barrier() uint64 {
	p := NewProposal()
	p.kind = fsm.Barrier
	g.proposer.propose(p)
	p.Wait()
	return p.term
}

// serve publishes the term in which this replica serves as leader, 0 for none.
func (g *Group) serve(term uint64) {
	if term != 0 {
		g.turns.begin(time.Now(), term)
	}
	old := g.serving.Swap(term)
	if old == term {
		return
	}
	g.acks.wake() // who waits for a quorum of the old term need not time out
	if term != 0 {
		g.heat.Reset(time.Now())
		g.config.Logger.Info("serving as leader", "topic", "leadership", "group", g.config.ID, "term", term)
	} else {
		g.config.Logger.Info("no longer serving as leader", "topic", "leadership", "group", g.config.ID, "term", old)
	}
	if g.config.Observe.Leadership != nil {
		g.config.Observe.Leadership(max(term, old), term != 0)
	}
	if g.config.LeaderChanged != nil {
		g.config.LeaderChanged(term != 0)
	}
}

// Serving tells whether this replica serves as leader now: linearizable reads
// and writes are worth trying here. It is cheap.
func (g *Group) Serving() bool { return g.serving.Load() != 0 }

// Term returns the term in which this replica serves as leader, or 0.
func (g *Group) Term() uint64 { return g.serving.Load() }

// settlingTime is for how long somebody is expected to lead after the last leader was heard
// of. An election takes a part of that, and handing over some round trips.
const settlingTime = time.Second

// Settling tells whether somebody is about to serve as leader, and this replica will soon
// know who: it leads itself and is handing over, or has just been elected, or it knew a leader
// a moment ago. Those who ask meanwhile should wait instead of being told that
// nobody leads. It is cheap.
func (g *Group) Settling() bool {
	if g.serving.Load() != 0 {
		return false
	}
	if g.raft.State() == raft.Leader {
		return true
	}
	leader := g.Leader() // itself: raft has not noted yet that it leads no more
	return (leader == "" || leader == g.config.Replica) && time.Now().UnixNano()-g.led.Load() < int64(settlingTime)
}

// whyNotServing is the definite error for a request to a replica that does not
// serve as leader.
func (g *Group) whyNotServing() kv.ReplyError {
	if g.raft.State() == raft.Leader {
		return kv.ErrNotReady
	}
	return kv.ErrNoLeader
}

// Leader returns the leader's raft id as far as this replica knows, or "".
func (g *Group) Leader() raft.ServerID {
	_, id := g.raft.LeaderWithID()
	return id
}

// LeaderPeer returns the leader's peer address, or "".
func (g *Group) LeaderPeer() raft.ServerAddress {
	addr, _ := g.raft.LeaderWithID()
	return addr
}

// TransferLeadership hands leadership to another voter: to the given one, or to
// one that answers and lacks little if to is empty. Reads are refused from the
// moment it starts: raft still answers VerifyLeader then, though the target may
// already have won.
//
// A target that does not answer is refused before anything begins, and so is one
// that lags. Raft takes no entries while it waits for the target, and cannot take
// its message back: the group would stand still for as long as that is on its way.
func (g *Group) TransferLeadership(to raft.ServerID) error {
	if to == "" {
		if to = g.successor(); to == "" {
			return fmt.Errorf("transfer leadership of group %d: no other voter answers and has caught up", g.config.ID)
		}
	}
	server, ok := g.server(to)
	if !ok {
		return fmt.Errorf("group %d has no replica %s", g.config.ID, to)
	}
	if err := g.mayLead(to); err != nil {
		return fmt.Errorf("transfer leadership of group %d: %w", g.config.ID, err)
	}
	g.config.Logger.Info("handing leadership over", "topic", "leadership", "group", g.config.ID, "term", g.serving.Load(), "to", string(to))
	g.serve(0)
	if err := ending(g, g.raft.LeadershipTransferToServer(server.ID, server.Address)).Error(); err != nil {
		g.askResume()
		return fmt.Errorf("transfer leadership of group %d: %w", g.config.ID, err)
	}
	return nil
}

// successor returns the voter that was heard of last, of those that could lead now,
// or "".
func (g *Group) successor() (best raft.ServerID) {
	var last time.Time
	for _, id := range g.voters() {
		if heard := g.Heard(string(id)); id != g.config.Replica && heard.After(last) && g.mayLead(id) == nil {
			best, last = id, heard
		}
	}
	return best
}

// mayLead returns why a replica cannot be handed the lead now, or nil. A follower
// that has been silent for as long as it would wait for its leader is taken to be
// dead or cut off; all others have answered several heartbeats meanwhile.
func (g *Group) mayLead(id raft.ServerID) error {
	heard := g.Heard(string(id))
	switch silent := time.Since(heard); {
	case heard.IsZero():
		return fmt.Errorf("%s has not answered this leader yet; try again", id)
	case silent > g.config.Timing.Heartbeat:
		return fmt.Errorf("%s has not answered for %v; try again, or choose another", id, silent.Round(time.Millisecond))
	case !g.CaughtUp(id):
		return fmt.Errorf("%s lags behind: writes would wait for it; try again", id)
	}
	return nil
}

// askResume lets a leader whose transfer failed serve again, after a barrier.
func (g *Group) askResume() {
	select {
	case g.resume <- struct{}{}:
	default:
	}
}
