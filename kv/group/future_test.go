package group

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"raftkv/kv"
	"raftkv/kv/fsm"
	"raftkv/kv/raftlog"
	"raftkv/kv/resp"
	"raftkv/kv/store"
)

// openAlone opens the only replica of a group and waits until it serves. Who asks closes it.
func openAlone(t *testing.T) *Group {
	t.Helper()
	network := listenTransport(t, "n1")
	serves := make(chan struct{}, 1)
	g, err := Open(Config{
		ID: 1, Cluster: "c", Node: "n1", Replica: "n1.1", Dir: t.TempDir(), Timing: Timings["local"],
		Transport: network.Group(1, "n1.1"),
		Log:       raftlog.Options{Logger: hclog.NewNullLogger()},
		Founders:  []raft.Server{{ID: "n1.1", Address: raft.ServerAddress(network.Addr())}},
		Observe: Observer{Leadership: func(_ uint64, serving bool) {
			if serving {
				serves <- struct{}{}
			}
		}},
		Now: time.Now, Logger: slog.New(slog.DiscardHandler), RaftLog: hclog.NewNullLogger(),
	})
	if err != nil {
		t.Fatal(err)
	}
	<-serves
	return g
}

// Entries may be committed and wait for the state machine when raft is shut down; it
// leaves them there. Whoever proposed them learns that their outcome is not known, and the
// replica closes.
func TestCloseWhileTheStateMachineIsBehind(t *testing.T) {
	const within = 10 * time.Second
	g := openAlone(t)
	held, release, viewed := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(viewed)
		g.View(func(*store.Store) { // nothing is applied meanwhile
			close(held)
			<-release
		})
	}()
	<-held
	waiting := func() { // until all that was proposed is committed, and the state machine's to take
		t.Helper()
		for start := time.Now(); g.raft.AppliedIndex() < g.raft.LastIndex(); time.Sleep(time.Millisecond) {
			if time.Since(start) > within {
				t.Fatalf("raft has handed on entries up to %d of %d", g.raft.AppliedIndex(), g.raft.LastIndex())
			}
		}
	}
	for range 20 { // each might be the one at which it looks whether raft is shut down
		g.raft.Apply(fsm.AppendHeader(nil, fsm.Tick, 1), 0)
		waiting()
	}
	last := g.raft.LastIndex()
	proposed, joined := make(chan kv.Reply, 1), make(chan error, 1)
	go func() {
		p := NewProposal()
		p.Add(resp.AppendCommand(nil, "SET", "key", "value"))
		g.Propose(p)
		p.Wait()
		proposed <- p.Replies[0]
	}()
	go func() { joined <- g.AddNonvoter(t.Context(), "n2.1", "127.0.0.1:1") }()
	for start := time.Now(); g.raft.LastIndex() < last+2; time.Sleep(time.Millisecond) {
		if time.Since(start) > within {
			t.Fatalf("the log ends at %d and not at %d", g.raft.LastIndex(), last+2)
		}
	}
	waiting()

	closed := make(chan error, 1)
	go func() { closed <- g.Close() }()
	for g.raft.State() != raft.Shutdown {
		time.Sleep(time.Millisecond)
	}
	close(release)
	<-viewed
	timeout := time.After(within)
	for range 3 {
		select {
		case reply := <-proposed:
			proposed = nil
			if kv.ReplyError(reply.Str).Code() != "UNCERTAIN" {
				t.Errorf("the command is answered %q", reply.Str)
			}
		case err := <-joined:
			joined = nil
			if !errors.Is(err, raft.ErrRaftShutdown) {
				t.Errorf("the change of members is answered %v", err)
			}
		case err := <-closed:
			closed = nil
			if err != nil {
				t.Error(err)
			}
		case <-timeout:
			t.Fatalf("after %v: the command is answered %v, the change of members %v, the replica is closed %v", within, proposed == nil, joined == nil, closed == nil)
		}
	}
}
