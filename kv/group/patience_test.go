package group

import (
	"log/slog"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"raftkv/kv/raftlog"
)

// While its leader is heard, a follower's raft waits ten times as long as its timing
// says; and when the leader falls silent, it asks for votes after the time
// that its timing says, and goes by its timing from then on.
func TestFollowerIsPatientWhileItsLeaderIsHeard(t *testing.T) {
	follower, leader := listenTransport(t, "n1"), listenTransport(t, "n2")
	here, there := raft.ServerAddress(follower.Addr()), raft.ServerAddress(leader.Addr())
	timing := Timing{Heartbeat: 500 * time.Millisecond, Election: 500 * time.Millisecond, Lease: 500 * time.Millisecond, Commit: time.Second}
	g, err := Open(Config{
		ID: 1, Cluster: "c", Node: "n1", Replica: "n1.1", Dir: t.TempDir(), Timing: timing,
		Transport: follower.Group(1, "n1.1"),
		Log:       raftlog.Options{Logger: hclog.NewNullLogger()},
		Founders:  []raft.Server{{ID: "n1.1", Address: here}, {ID: "n2.1", Address: there}},
		Now:       time.Now, Logger: slog.New(slog.DiscardHandler), RaftLog: hclog.NewNullLogger(),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	timeouts := func() [2]time.Duration {
		c := g.raft.ReloadableConfig()
		return [2]time.Duration{c.HeartbeatTimeout, c.ElectionTimeout}
	}
	short := [2]time.Duration{timing.Heartbeat, timing.Election}
	if got := timeouts(); got != short {
		t.Errorf("without a leader it waits for %v, want %v", got, short)
	}

	beats := leader.Group(1, "n2.1")
	header := raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte("n2.1"), Addr: []byte(there)}
	within := time.Now().Add(20 * time.Second)
	for timeouts() != [2]time.Duration{patience * timing.Heartbeat, patience * timing.Election} {
		var answer raft.AppendEntriesResponse
		request := raft.AppendEntriesRequest{RPCHeader: header, Term: 100}
		if err := beats.AppendEntries("n1.1", here, &request, &answer); err != nil {
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
