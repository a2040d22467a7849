package group

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/hashicorp/raft"
)

const (
	// watchInterval is how often a replica looks whether its leader is silent. Beats
	// come as often, so a node at rest is awake then.
	watchInterval = 100 * time.Millisecond
	// patience is how many times longer than Timing says raft itself waits while its
	// leader is heard. Should nobody look, it asks for votes after that.
	patience = 10
)

// A follower's raft looks after each random time of one to two heartbeat timeouts whether
// it has heard its leader, by a timer of Go's, for each group by itself. At rest these
// timers wake a node more often than all else that it does for many groups. So raft
// is made patient while its leader is heard, and the node looks for it,
// for all groups at one instant. When a beat is missing, raft is made as impatient as
// Timing says at the time at which it shall ask for votes; it then looks at once.
//
// That time is a heartbeat timeout and a random part of electionSpread after the last
// contact. Raft's own looks come at times that have nothing to do with that, and one
// that comes a moment too early costs it up to two timeouts more.
//
// Whoever leads, asks for votes, or has not heard a leader yet goes by Timing: the first
// two need its times, and raft must not wait long for the end of an election.

// electionSpread is by how much the times differ at which followers ask for votes, so that
// they seldom ask at once.
func (t Timing) electionSpread() time.Duration { return t.Heartbeat * 4 / 5 }

// missed is after what silence a beat is missing: those that are due now may be on
// their way.
func (t Timing) missed() time.Duration { return t.Heartbeat / 2 }

// watchLeader makes raft patient and impatient until ctx ends.
func (g *Group) watchLeader(ctx context.Context) {
	patient := false
	every(ctx, g.pulse, func() time.Duration { return watchInterval }, func() {
		heard, known := g.raft.LastContact(), g.Leader() != ""
		if known {
			g.led.Store(time.Now().UnixNano())
		}
		calm := g.raft.State() == raft.Follower && known
		switch {
		case calm && time.Since(heard) < g.config.Timing.missed():
			if !patient {
				patient = g.setPatience(patience) == nil
			}
		case patient && (!calm || g.awaitElection(ctx, heard)):
			patient = g.setPatience(1) != nil
		}
	})
}

// awaitElection waits until the time to ask for votes has come, and tells whether the
// leader has been silent until then.
func (g *Group) awaitElection(ctx context.Context, heard time.Time) bool {
	wait := time.Until(heard) + g.config.Timing.Heartbeat + rand.N(g.config.Timing.electionSpread())
	select {
	case <-time.After(wait):
	case <-ctx.Done():
	}
	return g.raft.LastContact().Equal(heard)
}

// setPatience makes raft wait for times as long as Timing says. It looks for its leader
// at once when that is shorter than before.
func (g *Group) setPatience(times time.Duration) error {
	return g.reload(func(c *raft.ReloadableConfig) {
		c.HeartbeatTimeout = times * g.config.Timing.Heartbeat
		c.ElectionTimeout = times * g.config.Timing.Election
	})
}

// reload changes what raft lets be changed while it runs.
func (g *Group) reload(change func(*raft.ReloadableConfig)) error {
	g.reloading.Lock()
	defer g.reloading.Unlock()
	c := g.raft.ReloadableConfig()
	change(&c)
	return g.raft.ReloadConfig(c)
}
