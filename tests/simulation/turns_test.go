package simulation

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

// Of a group's replicas one writes a snapshot at a time, though all of them are due
// again before they have written, and leaders change; and all get their turn.
func TestReplicasTakeTurnsToWriteSnapshots(t *testing.T) {
	const (
		writes   = 4 * time.Second // what a snapshot takes
		handOver = 23 * time.Second
		length   = 2 * time.Minute
	)
	s := newSim(t, Options{Seed: 4})
	taken := make(map[string]map[uint64]bool) // by replica: indexes of its snapshots
	synctest.Test(t, func(*testing.T) {
		s.began = time.Now()
		s.ctx, s.cancel = context.WithCancel(context.Background())
		s.build()
		for _, n := range s.nodes {
			n.disk.image = writes
			n.start()
		}
		s.found()
		working, stop := context.WithTimeout(s.ctx, length)
		defer stop()
		var work sync.WaitGroup
		for i := range clients {
			c := &client{sim: s, id: i, rnd: s.stream(1000 + uint64(i)), last: make(map[string]string), session: fmt.Sprint("s", i)}
			c.seq = 100000
			work.Go(func() { c.run(working) })
		}
		work.Go(func() {
			for sleep(working, handOver) == nil {
				for _, id := range s.groupIDs() {
					if g, _ := s.leaderOf(id); g != nil {
						s.background.Go(func() { g.TransferLeadership("") })
					}
				}
			}
		})
		for !s.violated() && sleep(working, 20*time.Millisecond) == nil {
			s.seeWriters(taken)
		}
		stop()
		work.Wait()
		s.requests.Wait()
		s.cancel()
		for _, n := range s.nodes {
			n.stop()
		}
		s.background.Wait()
	})
	record := s.journal.close(s)
	for _, v := range s.violations {
		t.Error(v)
	}
	if want := 3 * s.groups; len(taken) != want {
		t.Errorf("%d replicas have taken snapshots, want %d", len(taken), want)
	}
	for id, indexes := range taken {
		if len(indexes) < 3 {
			t.Errorf("%s has taken %d snapshots in %v: it does not get its turn", id, len(indexes), length)
		}
	}
	if t.Failed() {
		t.Logf("the record is in %s.txt", record)
	}
}

// seeWriters looks who writes a snapshot now, and which ones were written.
func (s *sim) seeWriters(taken map[string]map[uint64]bool) {
	writing := make(map[uint32][]raft.ServerID)
	for _, n := range s.nodes {
		for _, g := range n.running().list() {
			if g.Snapshotting() {
				writing[g.ID()] = append(writing[g.ID()], g.Replica())
			}
			index := g.Status(n.name).Snapshot.Index
			id := fmt.Sprintf("group %d, %s", g.ID(), g.Replica())
			if index == 0 {
				continue
			}
			if taken[id] == nil {
				taken[id] = make(map[uint64]bool)
			}
			taken[id][index] = true
		}
	}
	for id, replicas := range writing {
		if len(replicas) > 1 {
			s.violate("group %d: %v write snapshots at the same time", id, replicas)
		}
	}
}
