package simulation

import (
	"math/rand/v2"
	"strings"
	"time"

	"raftkv/kv/history"
)

// These faults aim at one course of events each, which chance alone would bring
// about too rarely.

// electionAmbush aims at votes: whoever has just won an election is cut off with
// what it appends now, and those who elected it crash and hold another.
func electionAmbush(s *sim, rnd *rand.Rand, hold holder) {
	g, p := s.leaderOf(uint32(1 + rnd.IntN(s.groups)))
	if g == nil {
		return
	}
	old, start := p.node, p.node.keepDown()
	s.note("election ambush: crash %s", old.name)
	old.crash()
	var winner *node
	for range 200 {
		if _, q := s.leaderOf(g.ID()); q != nil {
			winner = q.node
			break
		}
		hold(10*time.Millisecond, 11*time.Millisecond)
	}
	if winner != nil {
		s.note("election ambush: %s has won and is cut off, its voters crash", winner.name)
		mend := s.cutAll(func(a, b *node) bool { return a == winner || b == winner })
		for _, m := range s.nodes {
			if m != winner && m != old && m.has(g.ID()) {
				again := m.keepDown()
				m.crash()
				again()
			}
		}
		start()
		hold(time.Second, 4*time.Second)
		mend()
		return
	}
	start()
}

// ambush aims at the leader's early append: its disk stands still while entries
// go on to the followers, it crashes, and one of the followers that have them
// is gone, too, when it comes back without.
func ambush(s *sim, rnd *rand.Rand, hold holder) {
	g, p := s.leaderOf(uint32(1 + rnd.IntN(s.groups)))
	if g == nil {
		return
	}
	n := p.node
	var others []*node
	for _, m := range s.nodes {
		if m != n && m.has(g.ID()) {
			others = append(others, m)
		}
	}
	if len(others) == 0 {
		return
	}
	// One follower falls behind, and the entries are on the other and on their way to
	// the leader's disk.
	behind := others[rnd.IntN(len(others))]
	s.note("ambush of %s: %s falls behind", n.name, behind.name)
	far := s.cutAll(func(a, b *node) bool { return a == n && b == behind || a == behind && b == n })
	hold(50*time.Millisecond, 250*time.Millisecond)
	s.markHung(n)
	mend := n.disk.hang()
	hold(200*time.Millisecond, 1500*time.Millisecond)
	cut := s.cutAll(func(a, b *node) bool {
		return a != n && a != behind && b.in(n, behind) || b != n && b != behind && a.in(n, behind)
	})
	start := n.keepDown()
	n.crash()
	mend()
	far()
	s.note("ambush: %s crashes, only %s and it are left", n.name, behind.name)
	hold(0, 300*time.Millisecond)
	start()
	hold(2*time.Second, 6*time.Second)
	s.note("ambush ends")
	cut()
}

// lateAnswers aims at reads of a leader that does not lead any more: what its
// followers have answered still comes in when they do not hear of it any more and
// elect another. The delay grows in steps: answers that stay away make a leader
// step down.
func lateAnswers(s *sim, rnd *rand.Rand, hold holder) {
	g, p := s.leaderOf(uint32(1 + rnd.IntN(s.groups)))
	if g == nil {
		return
	}
	n, step := p.node, time.Duration(100+rnd.IntN(150))*time.Millisecond
	s.note("what %s gets is late by %v", n.name, 3*step)
	var mends []func()
	for range 3 {
		for _, m := range s.nodes {
			if m != n {
				mends = append(mends, s.net.slow(m.host.addr, n.host.addr, step))
			}
		}
		hold(200*time.Millisecond, 700*time.Millisecond)
	}
	s.note("what %s sends does not arrive", n.name)
	mends = append(mends, s.cutAll(func(a, _ *node) bool { return a == n }))
	hold(time.Second, 3*time.Second)
	s.note("%s is well", n.name)
	for _, mend := range mends {
		mend()
	}
}

// stuckLeader aims at reads of a leader that does not lead any more, too: raft's
// own loop waits for the disk, because the entry is too large to be appended
// early, so the leader does not step down although it hears of nobody.
func stuckLeader(s *sim, rnd *rand.Rand, hold holder) {
	g, p := s.leaderOf(uint32(1 + rnd.IntN(s.groups)))
	if g == nil {
		return
	}
	n := p.node
	s.note("%s is stuck and isolated", n.name)
	s.markHung(n)
	// The disk hangs when the large entry has come to it: while an earlier one is in
	// flight the proposer would hold it back.
	fast := n.disk.drag(time.Second)
	write := hugeWrite(s.tags[rnd.IntN(len(s.tags))])
	s.requests.Go(func() { p.write(g, write) })
	hold(10*time.Millisecond, 50*time.Millisecond)
	mend := n.disk.hang()
	fast()
	join := s.cutAll(func(a, b *node) bool { return a == n || b == n })
	hold(hangTimeout/2, hangTimeout)
	s.note("%s is well", n.name)
	join()
	mend()
}

// hugeWrite is too large for an early append.
func hugeWrite(tag string) request {
	var steps []history.Step
	for range 3 {
		steps = append(steps, history.Step{Kind: history.Set, Key: tag + "huge", Value: strings.Repeat("x", 1<<20)})
	}
	steps = append(steps, history.Step{Kind: history.Delete, Key: tag + "huge"})
	return request{op: &history.Operation{Steps: steps}}
}

func (n *node) in(nodes ...*node) bool {
	for _, m := range nodes {
		if m == n {
			return true
		}
	}
	return false
}
