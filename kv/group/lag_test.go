package group

import (
	"context"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/kv/fsm"
)

// A follower stores what its leader sends, and says so, however far its state machine is
// behind. That catches up when it can, at the latest with the leader's next word.
func TestSlowStateMachineHoldsUpNoAppends(t *testing.T) {
	const entries, within = 300, 10 * time.Second
	g, send := openFollower(t, Timings["wan"])
	if err := g.replay.wait(); err != nil {
		t.Fatal(err)
	}
	release := holdState(g)

	last, lastTerm := uint64(1), uint64(1) // of the entry with the founders
	stored := make(chan error, 1)
	go func() {
		for range entries {
			answer, err := send(&raft.AppendEntriesRequest{PrevLogEntry: last, PrevLogTerm: lastTerm, LeaderCommitIndex: last, Entries: []*raft.Log{
				{Index: last + 1, Term: 100, Type: raft.LogCommand, Data: fsm.AppendHeader(nil, fsm.Tick, 1)},
			}})
			if err != nil || !answer.Success {
				t.Errorf("behind entry %d: %+v, %v", last, answer, err)
				break
			}
			last, lastTerm = last+1, 100
		}
		close(stored)
	}()
	select {
	case <-stored:
	case <-time.After(within):
		_, last := g.log.Bounds()
		t.Errorf("it stores nothing behind entry %d", last)
	}
	if applied := g.fsm.Applied(); applied > 1 {
		t.Errorf("the state is held, and yet entries up to %d were applied", applied)
	}
	release()
	<-stored

	if _, err := send(&raft.AppendEntriesRequest{PrevLogEntry: last, PrevLogTerm: lastTerm, LeaderCommitIndex: last}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	if err := g.fsm.WaitApplied(ctx, last); err != nil {
		t.Errorf("applied up to %d of %d: %v", g.fsm.Applied(), last, err)
	}
}
