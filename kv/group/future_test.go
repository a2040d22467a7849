package group

import (
	"errors"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/kv"
	"raftkv/kv/fsm"
	"raftkv/kv/resp"
)

// Entries may be committed and wait for the state machine when raft is shut down; it
// leaves them there. Whoever proposed them learns that their outcome is not known, and the
// replica closes.
func TestCloseWhileTheStateMachineIsBehind(t *testing.T) {
	const within = 10 * time.Second
	g := openAlone(t)
	release := holdState(g)
	last := g.raft.LastIndex()
	handedOn := func(n uint64) { // n entries are committed, and the state machine's to take
		t.Helper()
		last += n
		for start := time.Now(); g.raft.AppliedIndex() < last; time.Sleep(time.Millisecond) {
			if time.Since(start) > within {
				t.Fatalf("raft has handed on entries up to %d and not to %d", g.raft.AppliedIndex(), last)
			}
		}
	}
	for range 20 { // each might be the one at which it looks whether raft is shut down
		g.raft.Apply(fsm.AppendHeader(nil, fsm.Tick, 1), 0)
		handedOn(1)
	}
	proposed, joined := make(chan kv.Reply, 1), make(chan error, 1)
	go func() {
		p := NewProposal()
		p.Add(resp.AppendCommand(nil, "SET", "key", "value"))
		g.Propose(p)
		p.Wait()
		proposed <- p.Replies[0]
	}()
	go func() { joined <- g.AddNonvoter(t.Context(), "n2.1", "127.0.0.1:1") }()
	handedOn(2)

	closed := make(chan error, 1)
	go func() { closed <- g.Close() }()
	for g.raft.State() != raft.Shutdown {
		time.Sleep(time.Millisecond)
	}
	release()
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
