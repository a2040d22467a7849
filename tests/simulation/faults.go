package simulation

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

// fault is something that goes wrong. It does its harm, waits for its end with
// hold, undoes the harm and returns.
type fault struct {
	name   string
	weight int
	do     func(s *sim, rnd *rand.Rand, hold holder)
}

// holder waits for between least and most, or until all faults end.
type holder func(least, most time.Duration)

// faults lists them all.
var faults = []fault{
	{"crash", 10, crashOne},
	{"crash in a row", 3, crashInRow},
	{"election ambush", 5, electionAmbush},
	{"crash all", 2, crashAll},
	{"restart", 4, restartOne},
	{"pause", 8, pauseOne},
	{"isolate", 8, isolateOne},
	{"one-way cut", 6, cutOneWay},
	{"cut", 6, cutPair},
	{"halves", 3, cutHalves},
	{"slow links", 6, slowLinks},
	{"resets", 4, resetConns},
	{"slow disk", 8, slowDisk},
	{"hung disk", 4, hangDisk},
	{"ambush", 10, ambush},
	{"late answers", 3, lateAnswers},
	{"stuck leader", 5, stuckLeader},
	{"transfer", 6, transfer},
	{"snapshot", 4, takeSnapshot},
	{"clock", 3, skewClock},
	{"replace", 3, replaceReplica},
	{"migrate", 6, migrateSlots},
	{"cancel", 2, cancelMigration},
}

// breakThings lets faults happen, several at a time, until ctx ends, and mends
// all: then every node runs and every link and disk works.
func (s *sim) breakThings(ctx context.Context, rnd *rand.Rand) {
	var wait sync.WaitGroup
	wait.Go(func() { s.supervise(ctx) })
	total := 0
	for _, f := range faults {
		total += f.weight
	}
	for {
		pause := time.Duration(rnd.Int64N(int64(6 * time.Second)))
		n, own := rnd.IntN(total), rand.New(rand.NewPCG(rnd.Uint64(), 0))
		if sleep(ctx, pause) != nil {
			break
		}
		for _, f := range faults {
			if n -= f.weight; n >= 0 {
				continue
			}
			s.mu.Lock()
			s.faults[f.name]++
			s.mu.Unlock()
			wait.Go(func() {
				f.do(s, own, func(least, most time.Duration) {
					sleep(ctx, least+time.Duration(own.Int64N(int64(most-least))))
				})
			})
			break
		}
	}
	wait.Wait()
	for _, n := range s.nodes {
		n.start()
	}
}

// supervise starts nodes again whose process has ended by itself, as with a disk
// that hangs.
func (s *sim) supervise(ctx context.Context) {
	for sleep(ctx, 500*time.Millisecond) == nil {
		for _, n := range s.nodes {
			if n.running() == nil && n.held.Load() == 0 {
				s.background.Go(n.start)
			}
		}
	}
}

// victim chooses a node: the leader of some group half of the time.
func (s *sim) victim(rnd *rand.Rand) *node {
	any, group, lead := s.nodes[rnd.IntN(len(s.nodes))], uint32(1+rnd.IntN(s.groups)), rnd.IntN(2) == 0
	if _, p := s.leaderOf(group); p != nil && lead {
		return p.node
	}
	return any
}

// keepDown keeps a node from being started until the function that it returns is
// called, which starts it.
func (n *node) keepDown() (start func()) {
	n.held.Add(1)
	return func() {
		if n.held.Add(-1) == 0 {
			n.start()
		}
	}
}

func crashOne(s *sim, rnd *rand.Rand, hold holder) {
	n := s.victim(rnd)
	if rnd.IntN(2) == 0 { // with much that was not synced
		s.markHung(n)
		mend := n.disk.drag(time.Second)
		hold(0, time.Second)
		defer mend()
	}
	s.note("crash %s", n.name)
	start := n.keepDown()
	n.crash()
	hold(0, 4*time.Second)
	s.note("start %s", n.name)
	start()
}

// crashInRow crashes nodes while others hold an election.
func crashInRow(s *sim, rnd *rand.Rand, hold holder) {
	_, p := s.leaderOf(uint32(1 + rnd.IntN(s.groups)))
	if p == nil {
		return
	}
	s.note("crash %s, then others", p.node.name)
	start := p.node.keepDown()
	p.node.crash()
	for range 1 + rnd.IntN(4) {
		hold(0, 700*time.Millisecond)
		n := s.nodes[rnd.IntN(len(s.nodes))]
		again := n.keepDown()
		n.crash()
		s.note("crash and start %s", n.name)
		again()
	}
	start()
}

func crashAll(s *sim, rnd *rand.Rand, hold holder) {
	s.note("crash all")
	var starts []func()
	for _, n := range s.nodes {
		starts = append(starts, n.keepDown())
		n.crash()
	}
	hold(0, 2*time.Second)
	s.note("start all")
	for _, i := range rnd.Perm(len(starts)) {
		hold(0, time.Second)
		starts[i]()
	}
}

func restartOne(s *sim, rnd *rand.Rand, hold holder) {
	n := s.victim(rnd)
	s.note("stop %s", n.name)
	start := n.keepDown()
	n.stop()
	hold(0, 3*time.Second)
	s.note("start %s", n.name)
	start()
}

// pauseOne holds a node: nothing comes in or goes out, of its network, its disk and
// its clients. Its timers go on, which those of a process that is stopped
// would not.
func pauseOne(s *sim, rnd *rand.Rand, hold holder) {
	n := s.victim(rnd)
	s.note("pause %s", n.name)
	s.markHung(n)
	resume, mend := s.net.pause(n.host), n.disk.hang()
	hold(0, 4*time.Second)
	s.note("resume %s", n.name)
	mend()
	resume()
}

func (s *sim) markHung(n *node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hung[n] = true
}

// cutAll cuts the directions that match.
func (s *sim) cutAll(match func(from, to *node) bool) (mend func()) {
	var mends []func()
	for _, a := range s.nodes {
		for _, b := range s.nodes {
			if a != b && match(a, b) {
				mends = append(mends, s.net.cut(a.host.addr, b.host.addr))
			}
		}
	}
	return func() {
		for _, m := range mends {
			m()
		}
	}
}

// mendLater ends a cut. Some connections have died of it by then.
func (s *sim) mendLater(rnd *rand.Rand, mend func(), hold holder) {
	hold(0, 8*time.Second)
	for _, a := range s.nodes {
		for _, b := range s.nodes {
			if a.name < b.name && rnd.IntN(3) == 0 {
				s.net.reset(a.host.addr, b.host.addr)
			}
		}
	}
	s.note("mend")
	mend()
}

func isolateOne(s *sim, rnd *rand.Rand, hold holder) {
	n := s.victim(rnd)
	s.note("isolate %s", n.name)
	s.mendLater(rnd, s.cutAll(func(a, b *node) bool { return a == n || b == n }), hold)
}

func cutOneWay(s *sim, rnd *rand.Rand, hold holder) {
	n, out := s.victim(rnd), rnd.IntN(2) == 0
	s.note("cut one way: %s, what it sends %v", n.name, out)
	s.mendLater(rnd, s.cutAll(func(a, b *node) bool { return out && a == n || !out && b == n }), hold)
}

func cutPair(s *sim, rnd *rand.Rand, hold holder) {
	n, m := s.victim(rnd), s.nodes[rnd.IntN(len(s.nodes))]
	s.note("cut %s and %s", n.name, m.name)
	s.mendLater(rnd, s.cutAll(func(a, b *node) bool { return a == n && b == m || a == m && b == n }), hold)
}

func cutHalves(s *sim, rnd *rand.Rand, hold holder) {
	half := make(map[*node]bool)
	var names []string
	for _, i := range rnd.Perm(len(s.nodes))[:len(s.nodes)/2] {
		half[s.nodes[i]] = true
		names = append(names, s.nodes[i].name)
	}
	s.note("cut off %s", strings.Join(names, ", "))
	s.mendLater(rnd, s.cutAll(func(a, b *node) bool { return half[a] != half[b] }), hold)
}

func slowLinks(s *sim, rnd *rand.Rand, hold holder) {
	n, delay := s.victim(rnd), time.Duration(20+rnd.IntN(600))*time.Millisecond
	s.note("links of %s: %v", n.name, delay)
	var mends []func()
	for _, m := range s.nodes {
		if m != n {
			mends = append(mends, s.net.slow(n.host.addr, m.host.addr, delay), s.net.slow(m.host.addr, n.host.addr, delay))
		}
	}
	hold(0, 6*time.Second)
	for _, mend := range mends {
		mend()
	}
}

func resetConns(s *sim, rnd *rand.Rand, hold holder) {
	for range 1 + rnd.IntN(10) {
		a, b := s.nodes[rnd.IntN(len(s.nodes))], s.nodes[rnd.IntN(len(s.nodes))]
		s.note("reset %s and %s", a.name, b.name)
		s.net.reset(a.host.addr, b.host.addr)
		hold(0, 400*time.Millisecond)
	}
}

func slowDisk(s *sim, rnd *rand.Rand, hold holder) {
	n, slow := s.victim(rnd), time.Duration(20+rnd.IntN(1000))*time.Millisecond
	s.note("disk of %s: syncs up to %v", n.name, slow)
	s.markHung(n)
	mend := n.disk.drag(slow)
	hold(0, 8*time.Second)
	mend()
}

func hangDisk(s *sim, rnd *rand.Rand, hold holder) {
	n := s.victim(rnd)
	s.note("disk of %s hangs", n.name)
	s.markHung(n)
	mend := n.disk.hang()
	hold(0, 6*time.Second)
	s.note("disk of %s works", n.name)
	mend()
}

func transfer(s *sim, rnd *rand.Rand, hold holder) {
	for range 1 + rnd.IntN(3) {
		if g, p := s.leaderOf(uint32(1 + rnd.IntN(s.groups))); g != nil {
			s.note("group %d: %s hands over", g.ID(), p.node.name)
			s.background.Go(func() { g.TransferLeadership("") })
		}
		hold(0, 2*time.Second)
	}
}

func takeSnapshot(s *sim, rnd *rand.Rand, _ holder) {
	if p := s.victim(rnd).running(); p != nil {
		for _, g := range p.list() {
			s.background.Go(func() { g.Snapshot() })
		}
	}
}

func skewClock(s *sim, rnd *rand.Rand, hold holder) {
	n, by := s.victim(rnd), time.Duration(rnd.Int64N(int64(10*time.Second)))-5*time.Second
	s.note("clock of %s: %v", n.name, by)
	n.skew.Add(int64(by))
	hold(0, 10*time.Second)
	n.skew.Add(-int64(by))
}

func replaceReplica(s *sim, rnd *rand.Rand, _ holder) {
	id := uint32(1 + rnd.IntN(s.groups))
	var from, to []*node
	for _, i := range rnd.Perm(len(s.nodes)) {
		if n := s.nodes[i]; n.has(id) {
			from = append(from, n)
		} else {
			to = append(to, n)
		}
	}
	if len(from) == 0 || len(to) == 0 {
		return
	}
	s.moves.replace(s, id, from[0], to[0])
}

func migrateSlots(s *sim, rnd *rand.Rand, _ holder) {
	if s.groups > 1 {
		s.moves.begin(s, rnd, s.tags[rnd.IntN(len(s.tags))])
	}
}

func cancelMigration(s *sim, _ *rand.Rand, hold holder) {
	hold(0, 2*time.Second)
	if n := s.moves.cancelOne(); n != 0 {
		s.note("cancel migration %d", n)
	}
}
