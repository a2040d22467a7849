package group

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// catchUpDistance is how many entries a new replica may lack when it becomes a
// voter.
const catchUpDistance = 8

// Servers returns the members of the group as this replica knows them: the
// latest configuration in its log, committed or not.
func (g *Group) Servers() []raft.Server {
	return g.raft.GetConfiguration().Configuration().Servers
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

// AddReplica makes id at addr a voter of the group: first as a non-voter, and
// as a voter once its log is near the leader's, so that the quorum never
// depends on an empty replica. Replicas in old are removed first: they are the
// lost predecessors of id on its node. Idempotent; only on the leader.
func (g *Group) AddReplica(ctx context.Context, id raft.ServerID, addr raft.ServerAddress, old []raft.ServerID) error {
	for _, o := range old {
		if err := g.RemoveReplica(ctx, o); err != nil {
			return err
		}
	}
	if s, ok := g.server(id); ok && s.Suffrage == raft.Voter && s.Address == addr {
		return nil
	}
	if s, ok := g.server(id); !ok || s.Address != addr {
		if err := g.raft.AddNonvoter(id, addr, 0, remaining(ctx)).Error(); err != nil {
			return fmt.Errorf("add %s at %s to group %d: %w", id, addr, g.config.ID, err)
		}
	}
	if err := g.waitCaughtUp(ctx, id); err != nil {
		return err
	}
	if err := g.raft.AddVoter(id, addr, 0, remaining(ctx)).Error(); err != nil {
		return fmt.Errorf("make %s a voter of group %d: %w", id, g.config.ID, err)
	}
	return nil
}

// RemoveReplica removes id from the group. Idempotent; only on the leader.
func (g *Group) RemoveReplica(ctx context.Context, id raft.ServerID) error {
	if _, ok := g.server(id); !ok {
		return nil
	}
	if err := g.raft.RemoveServer(id, 0, remaining(ctx)).Error(); err != nil {
		return fmt.Errorf("remove %s from group %d: %w", id, g.config.ID, err)
	}
	return nil
}

func (g *Group) waitCaughtUp(ctx context.Context, id raft.ServerID) error {
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		match, _ := g.acks.match(id, g.raft.CurrentTerm())
		if match > 0 && match+catchUpDistance >= g.raft.LastIndex() {
			return nil
		}
		select {
		case <-poll.C:
			if g.raft.State() != raft.Leader {
				return fmt.Errorf("group %d: leadership was lost while %s caught up", g.config.ID, id)
			}
		case <-ctx.Done():
			return fmt.Errorf("group %d: %s has caught up to %d of %d: %w", g.config.ID, id, match, g.raft.LastIndex(), ctx.Err())
		}
	}
}

// remaining is the time left in ctx for raft's timeouts; 0 means without limit.
func remaining(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	return max(time.Until(deadline), time.Millisecond)
}
