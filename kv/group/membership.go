package group

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/kv"
)

// catchUpDistance is how many entries a new replica may lack when it becomes a
// voter.
const catchUpDistance = 8

// Servers returns the members of the group as this replica knows them: the
// latest configuration in its log, committed or not. They are raft's own and must not
// be changed.
func (g *Group) Servers() []raft.Server {
	return g.raft.GetConfiguration().Configuration().Servers
}

// SettledServers returns the members of the group, on its leader, as no other leader can
// contradict: an entry behind the configuration is committed in the leader's term. It
// fails if that takes too long.
func (g *Group) SettledServers() ([]raft.Server, error) {
	term, servers := g.Term(), g.Servers()
	if term == 0 || g.barrier() != term {
		return nil, kv.ErrNoLeader
	}
	return servers, nil
}

func (g *Group) server(id raft.ServerID) (raft.Server, bool) {
	for _, s := range g.Servers() {
		if s.ID == id {
			return s, true
		}
	}
	return raft.Server{}, false
}

// voters returns the ids of those that vote.
func (g *Group) voters() []raft.ServerID {
	servers := g.Servers()
	out := make([]raft.ServerID, 0, len(servers))
	for _, s := range servers {
		if s.Suffrage == raft.Voter {
			out = append(out, s.ID)
		}
	}
	return out
}

// AddNonvoter makes id at addr a member that gets the log and has no vote: the
// quorum never depends on an empty replica. A member keeps its vote, and only
// its address is changed. Idempotent; only on the leader.
func (g *Group) AddNonvoter(ctx context.Context, id raft.ServerID, addr raft.ServerAddress) error {
	s, ok := g.server(id)
	if ok && s.Address == addr {
		return nil
	}
	add := g.raft.AddNonvoter
	if ok && s.Suffrage == raft.Voter {
		add = g.raft.AddVoter
	}
	if err := ending(g, add(id, addr, 0, remaining(ctx))).Error(); err != nil {
		return fmt.Errorf("add %s at %s to group %d: %w", id, addr, g.config.ID, err)
	}
	return nil
}

// CaughtUp tells, on the leader, whether id's log is near the leader's.
func (g *Group) CaughtUp(id raft.ServerID) bool {
	match, _ := g.acks.match(id, g.raft.CurrentTerm())
	return match > 0 && match+catchUpDistance >= g.raft.LastIndex()
}

// answerTime is how long members may take to answer before the quorum changes.
const answerTime = time.Second

// Promote makes the member id a voter, if it answers at this moment and is part of a
// quorum that does: raft counts with it from the moment it is asked to, and one that has
// caught up and died since would take the quorum from a group that lacks another voter
// already. It should have caught up. Idempotent; only on the leader.
func (g *Group) Promote(ctx context.Context, id raft.ServerID) error {
	s, ok := g.server(id)
	switch {
	case !ok:
		return fmt.Errorf("group %d has no replica %s", g.config.ID, id)
	case s.Suffrage == raft.Voter:
		return nil
	}
	if err := g.answered(ctx, []raft.ServerID{id}, append(g.voters(), id)); err != nil {
		return fmt.Errorf("make %s a voter of group %d, for which it and a quorum with it must answer: %w", id, g.config.ID, err)
	}
	if err := ending(g, g.raft.AddVoter(id, s.Address, 0, remaining(ctx))).Error(); err != nil {
		return fmt.Errorf("make %s a voter of group %d: %w", id, g.config.ID, err)
	}
	return nil
}

// RemoveReplica removes id from the group, if the others are a quorum without it that
// answers at this moment: raft counts without it from the moment it is asked to, and one
// that died a second ago would leave the group without a leader. Idempotent; only on the
// leader.
func (g *Group) RemoveReplica(ctx context.Context, id raft.ServerID) error {
	s, ok := g.server(id)
	if !ok {
		return nil
	}
	if s.Suffrage == raft.Voter {
		others := slices.DeleteFunc(g.voters(), func(v raft.ServerID) bool { return v == id })
		if err := g.answered(ctx, others); err != nil {
			return fmt.Errorf("remove %s from group %d, for which a quorum of the others must answer: %w", id, g.config.ID, err)
		}
	}
	if err := ending(g, g.raft.RemoveServer(id, 0, remaining(ctx))).Error(); err != nil {
		return fmt.Errorf("remove %s from group %d: %w", id, g.config.ID, err)
	}
	return nil
}

// answered returns when a quorum of each of these sets of members has answered what it
// was sent from now on.
func (g *Group) answered(ctx context.Context, sets ...[]raft.ServerID) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	start, term := time.Now(), g.serving.Load()
	if term == 0 {
		return kv.ErrNoLeader
	}
	asked := slices.Concat(sets...)
	var ask []raft.Server
	for _, s := range g.Servers() {
		if slices.Contains(asked, s.ID) && s.ID != g.config.Replica {
			ask = append(ask, s)
		}
	}
	g.config.Transport.Confirm(ask, term)
	for _, set := range sets {
		switch err := g.awaitQuorum(ctx, term, start, func() []raft.ServerID { return set }); err {
		case "":
		case kv.ErrNoQuorum:
			return fmt.Errorf("they did not within %v", answerTime)
		default:
			return err
		}
	}
	return nil
}

// remaining is the time left in ctx for raft's timeouts; 0 means without limit.
func remaining(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	return max(time.Until(deadline), time.Millisecond)
}
