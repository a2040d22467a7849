package simulation

import (
	"fmt"
	"hash"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/kv/fsm"
	"raftkv/kv/group"
	"raftkv/kv/history"
	"raftkv/shard"
)

// leaderOf returns the replica that serves as leader of a group, by all that the
// simulation can see, and its node's process; nil if there is none.
func (s *sim) leaderOf(id uint32) (*group.Group, *process) {
	var best *group.Group
	var at *process
	for _, n := range s.nodes {
		p := n.running()
		if p == nil {
			continue
		}
		if g := p.group(id); g != nil && g.Serving() && (best == nil || g.Term() > best.Term()) {
			best, at = g, p
		}
	}
	return best, at
}

// ownFirst makes a group own its first slots; false if that is not known.
func (s *sim) ownFirst(id uint32, slots shard.Range) bool {
	g, _ := s.leaderOf(id)
	if g == nil {
		return false
	}
	_, err := g.Admin(fsm.OwnSlots(1, slots))
	return err == nil
}

// awaitService waits until a healed cluster takes writes to all keys, and notes
// how long that took.
func (s *sim) awaitService() {
	start := time.Now()
	var probes sync.WaitGroup
	for i, tag := range s.tags {
		rnd := s.stream(uint64(2000000 + i))
		probes.Go(func() {
			s.await("writes to keys "+tag+" are served", healBound, func() bool {
				o := &history.Operation{Steps: []history.Step{{Kind: history.Set, Key: tag + "probe", Value: "x"}}}
				_, end := s.nodes[rnd.IntN(len(s.nodes))].send(request{op: o}, time.Second)
				return end == done
			})
		})
	}
	probes.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outage = max(s.outage, time.Since(start))
}

// look reads all keys, compares replicas and counts owners. It is called while
// nothing else goes on.
func (s *sim) look() (after map[string]string, ok bool) {
	after = make(map[string]string)
	rnd := rand.New(rand.NewPCG(s.options.Seed, 3))
	for _, key := range s.keys() {
		o := &history.Operation{Client: clients, Note: "last look", Steps: []history.Step{{Kind: history.Get, Key: key}}}
		o.Call = s.tick()
		read := s.await(key+" can be read", settleBound, func() bool {
			reply, end := s.nodes[rnd.IntN(len(s.nodes))].send(request{op: o}, 5*time.Second)
			if end == done {
				o.Answered(&reply)
			}
			return end == done
		})
		if !read {
			return after, false
		}
		o.Return = s.tick()
		s.record(o)
		if o.Steps[0].Found {
			after[key] = o.Steps[0].Got
		}
	}
	ok = true
	for _, id := range s.groupIDs() {
		ok = s.compare(id) && ok
	}
	for _, tag := range s.tags {
		slot := shard.Slot([]byte(tag))
		owners := 0
		for _, id := range s.groupIDs() {
			if g, _ := s.leaderOf(id); g != nil && g.Serves(slot) {
				owners++
			}
		}
		if owners != 1 {
			s.violate("slot %d has %d owners", slot, owners)
		}
	}
	return after, ok
}

// compare waits until all members of a group have applied the same, and finds
// out whether it has made them equal.
func (s *sim) compare(id uint32) bool {
	var members []*group.Group
	even := s.await("the replicas of a group are at the same index", settleBound, func() bool {
		members = nil
		g, _ := s.leaderOf(id)
		if g == nil {
			return false
		}
		for _, server := range g.Servers() {
			r := s.replica(id, server.ID)
			if r == nil || r.State().Applied() != g.State().Applied() {
				return false
			}
			members = append(members, r)
		}
		return true
	})
	if !even {
		s.note("group %d: %s", id, s.positions(id))
		return false
	}
	want := digest(members[0].State())
	for _, m := range members[1:] {
		if got := digest(m.State()); got != want {
			s.violate("group %d: %s and %s have applied up to %d and differ", id, members[0].Replica(), m.Replica(), m.State().Applied())
			return false
		}
	}
	return true
}

// replica returns an open replica by its id, or nil.
func (s *sim) replica(id uint32, name raft.ServerID) *group.Group {
	for _, n := range s.nodes {
		if p := n.running(); p != nil {
			if g := p.group(id); g != nil && g.Replica() == name {
				return g
			}
		}
	}
	return nil
}

// digest hashes all that a replica's snapshot would hold.
func digest(f *fsm.FSM) uint64 {
	image, err := f.Snapshot()
	if err != nil {
		return 0
	}
	defer image.Release()
	sink := hashSink{fnv.New64a()}
	if image.Persist(sink) != nil {
		return 0
	}
	return sink.Sum64()
}

type hashSink struct{ hash.Hash64 }

func (hashSink) ID() string    { return "" }
func (hashSink) Cancel() error { return nil }
func (hashSink) Close() error  { return nil }

var _ raft.SnapshotSink = hashSink{}

// positions tells where the members of a group are.
func (s *sim) positions(id uint32) string {
	g, _ := s.leaderOf(id)
	if g == nil {
		return "nobody leads"
	}
	text := fmt.Sprintf("%s leads in term %d", g.Replica(), g.Term())
	for _, server := range g.Servers() {
		r := s.replica(id, server.ID)
		if r == nil {
			text += fmt.Sprintf("; %s does not run", server.ID)
			continue
		}
		text += fmt.Sprintf("; %s has applied up to %d and was heard %v ago", server.ID, r.State().Applied(), time.Since(g.Heard(string(server.ID))))
	}
	return text
}
