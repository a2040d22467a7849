package group

import (
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// While its leader is heard, a follower's raft waits ten times as long as its timing
// says; and when the leader falls silent, it asks for votes after the time
// that its timing says, and goes by its timing from then on.
func TestFollowerIsPatientWhileItsLeaderIsHeard(t *testing.T) {
	timing := Timing{Heartbeat: 500 * time.Millisecond, Election: 500 * time.Millisecond, Lease: 500 * time.Millisecond, Commit: time.Second}
	g, send := openFollower(t, timing)
	timeouts := func() [2]time.Duration {
		c := g.raft.ReloadableConfig()
		return [2]time.Duration{c.HeartbeatTimeout, c.ElectionTimeout}
	}
	short := [2]time.Duration{timing.Heartbeat, timing.Election}
	if got := timeouts(); got != short {
		t.Errorf("without a leader it waits for %v, want %v", got, short)
	}

	within := time.Now().Add(20 * time.Second)
	for timeouts() != [2]time.Duration{patience * timing.Heartbeat, patience * timing.Election} {
		if _, err := send(new(raft.AppendEntriesRequest)); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(within) {
			t.Fatalf("with a leader it waits for %v", timeouts())
		}
	}

	for g.raft.State() != raft.Candidate {
		time.Sleep(time.Millisecond)
		if silent := time.Since(g.raft.LastContact()); silent > patience*timing.Heartbeat {
			t.Fatalf("it has asked for no votes for %v", silent)
		}
	}
	if silent := time.Since(g.raft.LastContact()); silent < timing.Heartbeat {
		t.Errorf("it asks for votes after %v", silent)
	}
	if got := timeouts(); got != short {
		t.Errorf("as a candidate it waits for %v, want %v", got, short)
	}
}
