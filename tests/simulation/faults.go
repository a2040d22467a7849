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
	do     func(s *sim, rnd *rand.Rand, hold func(most time.Duration))
}

// faults lists them all.
var faults = []fault{
	{"crash", 10, crashOne},
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
	{"ambush", 8, ambush},
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
				f.do(s, own, func(most time.Duration) { sleep(ctx, time.Duration(own.Int64N(int64(most)))) })
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

func crashOne(s *sim, rnd *rand.Rand, hold func(time.Duration)) {
	n := s.victim(rnd)
	s.note("crash %s", n.name)
	start := n.keepDown()
	n.crash()
	hold(4 * time.Second)
	s.note("start %s", n.name)
	start()
}

func crashAll(s *sim, rnd *rand.Rand, hold func(time.Duration)) {
	s.note("crash all")
	var starts []func()
	for _, n := range s.nodes {
		starts = append(starts, n.keepDown())
		n.crash()
	}
	hold(2 * time.Second)
	s.note("start all")
	for _, i := range rnd.Perm(len(starts)) {
		hold(time.Second)
		starts[i]()
	}
}

func restartOne(s *sim, rnd *rand.Rand, hold func(time.Duration)) {
	n := s.victim(rnd)
	s.note("stop %s", n.name)
	start := n.keepDown()
	n.stop()
	hold(3 * time.Second)
	s.note("start %s", n.name)
	start()
}

// pauseOne holds a node: nothing comes in or goes out, of its network, its disk and
// its clients. Its timers go on, which those of a process that is stopped
// would not.
func pauseOne(s *sim, rnd *rand.Rand, hold func(time.Duration)) {
	n := s.victim(rnd)
	s.note("pause %s", n.name)
	s.markHung(n)
	resume, mend := s.net.pause(n.host), n.disk.hang()
	hold(4 * time.Second)
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
func (s *sim) mendLater(rnd *rand.Rand, mend func(), hold func(time.Duration)) {
	hold(8 * time.Second)
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

func isolateOne(s *sim, rnd *rand.Rand, hold func(time.Duration)) {
	n := s.victim(rnd)
	s.note("isolate %s", n.name)
	s.mendLater(rnd, s.cutAll(func(a, b *node) bool { return a == n || b == n }), hold)
}

func cutOneWay(s *sim, rnd *rand.Rand, hold func(time.Duration)) {
	n, out := s.victim(rnd), rnd.IntN(2) == 0
	s.note("cut one way: %s, what it sends %v", n.name, out)
	s.mendLater(rnd, s.cutAll(func(a, b *node) bool { return out && a == n || !out && b == n }), hold)
}

func cutPair(s *sim, rnd *rand.Rand, hold func(time.Duration)) {
	n, m := s.victim(rnd), s.nodes[rnd.IntN(len(s.nodes))]
	s.note("cut %s and %s", n.name, m.name)
	s.mendLater(rnd, s.cutAll(func(a, b *node) bool { return a == n && b == m || a == m && b == n }), hold)
}

func cutHalves(s *sim, rnd *rand.Rand, hold func(time.Duration)) {
	half := make(map[*node]bool)
	var names []string
	for _, i := range rnd.Perm(len(s.nodes))[:len(s.nodes)/2] {
		half[s.nodes[i]] = true
		names = append(names, s.nodes[i].name)
	}
	s.note("cut off %s", strings.Join(names, ", "))
	s.mendLater(rnd, s.cutAll(func(a, b *node) bool { return half[a] != half[b] }), hold)
}

func slowLinks(s *sim, rnd *rand.Rand, hold func(time.Duration)) {
	n, delay := s.victim(rnd), time.Duration(20+rnd.IntN(600))*time.Millisecond
	s.note("links of %s: %v", n.name, delay)
	var mends []func()
	for _, m := range s.nodes {
		if m != n {
			mends = append(mends, s.net.slow(n.host.addr, m.host.addr, delay), s.net.slow(m.host.addr, n.host.addr, delay))
		}
	}
	hold(6 * time.Second)
	for _, mend := range mends {
		mend()
	}
}

func resetConns(s *sim, rnd *rand.Rand, hold func(time.Duration)) {
	for range 1 + rnd.IntN(10) {
		a, b := s.nodes[rnd.IntN(len(s.nodes))], s.nodes[rnd.IntN(len(s.nodes))]
		s.note("reset %s and %s", a.name, b.name)
		s.net.reset(a.host.addr, b.host.addr)
		hold(400 * time.Millisecond)
	}
}

func slowDisk(s *sim, rnd *rand.Rand, hold func(time.Duration)) {
	n, slow := s.victim(rnd), time.Duration(20+rnd.IntN(1000))*time.Millisecond
	s.note("disk of %s: syncs up to %v", n.name, slow)
	s.markHung(n)
	mend := n.disk.drag(slow)
	hold(8 * time.Second)
	mend()
}

func hangDisk(s *sim, rnd *rand.Rand, hold func(time.Duration)) {
	n := s.victim(rnd)
	s.note("disk of %s hangs", n.name)
	s.markHung(n)
	mend := n.disk.hang()
	hold(6 * time.Second)
	s.note("disk of %s works", n.name)
	mend()
}

// ambush aims at the leader's early append: its disk stands still while entries
// go on to the followers, it crashes, and one of the followers that have them
// is gone, too, when it comes back without.
func ambush(s *sim, rnd *rand.Rand, hold func(time.Duration)) {
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
	hold(200 * time.Millisecond)
	s.markHung(n)
	mend := n.disk.hang()
	hold(1500 * time.Millisecond)
	cut := s.cutAll(func(a, b *node) bool {
		return a != n && a != behind && b.in(n, behind) || b != n && b != behind && a.in(n, behind)
	})
	start := n.keepDown()
	n.crash()
	mend()
	far()
	s.note("ambush: %s crashes, only %s and it are left", n.name, behind.name)
	hold(500 * time.Millisecond)
	start()
	hold(8 * time.Second)
	s.note("ambush ends")
	cut()
}

func (n *node) in(nodes ...*node) bool {
	for _, m := range nodes {
		if m == n {
			return true
		}
	}
	return false
}

func transfer(s *sim, rnd *rand.Rand, hold func(time.Duration)) {
	for range 1 + rnd.IntN(3) {
		if g, p := s.leaderOf(uint32(1 + rnd.IntN(s.groups))); g != nil {
			s.note("group %d: %s hands over", g.ID(), p.node.name)
			s.background.Go(func() { g.TransferLeadership("") })
		}
		hold(2 * time.Second)
	}
}

func takeSnapshot(s *sim, rnd *rand.Rand, _ func(time.Duration)) {
	if p := s.victim(rnd).running(); p != nil {
		for _, g := range p.list() {
			s.background.Go(func() { g.Snapshot() })
		}
	}
}

func skewClock(s *sim, rnd *rand.Rand, hold func(time.Duration)) {
	n, by := s.victim(rnd), time.Duration(rnd.Int64N(int64(10*time.Second)))-5*time.Second
	s.note("clock of %s: %v", n.name, by)
	n.skew.Add(int64(by))
	hold(10 * time.Second)
	n.skew.Add(-int64(by))
}

func replaceReplica(s *sim, rnd *rand.Rand, _ func(time.Duration)) {
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

func migrateSlots(s *sim, rnd *rand.Rand, _ func(time.Duration)) {
	if s.groups > 1 {
		s.moves.begin(s, rnd, s.tags[rnd.IntN(len(s.tags))])
	}
}

func cancelMigration(s *sim, _ *rand.Rand, hold func(time.Duration)) {
	hold(2 * time.Second)
	if n := s.moves.cancelOne(); n != 0 {
		s.note("cancel migration %d", n)
	}
}
