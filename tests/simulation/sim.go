// Package simulation runs clusters in virtual time (testing/synctest): raftkv's
// own replication code, from kv/transport and kv/raftlog up to kv/fsm and
// shard/migrate, with hashicorp/raft, on a network and on disks in memory that
// fail in every way that a seed says. What clients saw is judged by Porcupine
// (kv/history), and replicas are compared. An hour takes seconds.
//
// What is not real: the files below raftlog's and snapshot's stores, TCP, the
// Redis protocol, and package kv/node with the controller: who is a member of what
// and what moves where is decided by the simulation.
//
// A seed fixes the shape of the cluster, the schedule of faults and what clients
// ask. It does not fix the order in which goroutines run that are ready at the same
// moment of virtual time, what select takes of several, raft's random timeouts
// (of a generator that it seeds itself) and the iteration of maps; so a seed that
// fails may pass when it runs again. Hence the record: the faults as they
// happened, and the history, are written to files.
package simulation

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/kv/history"
	"raftkv/shard"
)

// Options of a run.
type Options struct {
	Seed   uint64
	Length time.Duration // of virtual time under faults, at least
	Broken Break         // which rule does not hold
	Log    io.Writer     // what nodes log; nil: nothing
	// Stop ends the run at the first violation that is seen before the judgement.
	Stop bool
}

func (o Options) String() string {
	return fmt.Sprintf("seed %d, %v at least, broken rule: %q", o.Seed, o.Length, string(o.Broken))
}

// Result of a run.
type Result struct {
	Virtual    time.Duration
	Faults     map[string]int // how many of each
	Seen       map[string]int // what they led to
	Operations int
	Unknown    int
	Undecided  int           // sets of keys on which there is no verdict
	Outage     time.Duration // the longest until a healed cluster served
	Violations []string
	// Record is, after a violation, where the record lies: faults in .txt, the history
	// in .jsonl, and Porcupine's picture in .html.
	Record string
}

// Sizes and bounds of a run.
const (
	clients = 6
	// window is how long faults go on before the cluster is healed and looked at.
	window = time.Minute
	// healBound is after what time a healed cluster must serve all keys.
	healBound = 15 * time.Second
	// settleBound is after what time replicas must be equal and migrations over.
	settleBound = time.Minute
	// judgePatience bounds Porcupine for a window of a few keys, in real time.
	judgePatience = 20 * time.Second
)

// sim is one run.
type sim struct {
	options Options
	dir     string
	began   time.Time
	net     *network
	nodes   []*node
	groups  int
	tags    []string // of the keys: {tag}r is a register, {tag}n a counter, {tag}l a list
	rnd     *rand.Rand
	journal *journal

	clock      atomic.Int64   // orders the history
	pulse      atomic.Int64   // virtual seconds that have passed
	requests   sync.WaitGroup // under way, with or without their clients
	background sync.WaitGroup // all that ends by itself
	ctx        context.Context
	cancel     context.CancelFunc

	mu         sync.Mutex
	ops        []history.Operation
	windows    []judged
	violations []string
	faults     map[string]int
	seen       *seen
	undecided  int
	hung       map[*node]bool // in this window
	outage     time.Duration
	ids        int // of replicas, so far

	moves moves
}

// judged is the history between two moments at which all was at rest.
type judged struct {
	before, after map[string]string
	ops           []history.Operation
}

// Run runs a cluster and judges what was seen. A test may run several, one after
// the other or in parallel.
func Run(t *testing.T, o Options) Result {
	s := newSim(t, o)
	fmt.Println(o) // if the program ends by a panic this is all that is told of the run
	var took time.Duration
	awake, done := context.WithCancel(context.Background())
	var watch sync.WaitGroup
	watch.Go(func() { s.watchStall(awake) })
	synctest.Test(t, func(*testing.T) {
		s.run()
		took = time.Since(s.began)
	})
	done()
	watch.Wait()
	s.judge()
	r := Result{Virtual: took, Faults: s.faults, Seen: s.seen.numbers(), Outage: s.outage, Undecided: s.undecided, Violations: s.violations}
	for _, w := range s.windows {
		r.Operations += len(w.ops)
		for i := range w.ops {
			if w.ops[i].Unknown {
				r.Unknown++
			}
		}
	}
	r.Record = s.journal.close(s)
	return r
}

func newSim(t *testing.T, o Options) *sim {
	return &sim{
		options: o, dir: t.TempDir(), faults: make(map[string]int), hung: make(map[*node]bool), seen: new(seen),
		rnd: rand.New(rand.NewPCG(o.Seed, 0)), journal: newJournal(t.ArtifactDir(), o),
	}
}

// stream returns a source of random numbers of its own, so that one part of a run
// does not depend on how many another has drawn.
func (s *sim) stream(n uint64) *rand.Rand { return rand.New(rand.NewPCG(s.options.Seed, n+1)) }

func (s *sim) run() {
	s.began = time.Now()
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.background.Go(func() { beat(s.ctx, &s.pulse) })
	s.build()
	for _, n := range s.nodes {
		n.start()
	}
	s.found()
	before := make(map[string]string)
	for time.Since(s.began) < s.options.Length && !(s.options.Stop && s.violated()) {
		after, ok := s.window(before)
		if !ok {
			break
		}
		before = after
	}
	s.cancel()
	for _, n := range s.nodes {
		n.crash()
	}
	s.requests.Wait()
	s.background.Wait()
}

// build makes the machines and places the groups' first replicas.
func (s *sim) build() {
	s.net = newNetwork(s.stream(1))
	s.groups = []int{1, 1, 2, 3}[s.rnd.IntN(4)]
	count := []int{3, 4, 5}[s.rnd.IntN(3)]
	for i := range count {
		n := &node{sim: s, name: fmt.Sprintf("n%d", i+1), place: make(map[uint32]replica), turn: make(chan struct{}, 1)}
		n.host = s.net.host(n.name + ":9001")
		n.disk = newDisk(s.stream(100+uint64(i)), s.seen)
		n.disk.lies, n.disk.forgets = s.options.Broken == LyingDisk, s.options.Broken == ForgottenVotes
		s.nodes = append(s.nodes, n)
	}
	for g := range s.groups {
		var founders []raft.Server
		for i := range 3 {
			n := s.nodes[(g+i)%count]
			founders = append(founders, raft.Server{Suffrage: raft.Voter, ID: s.replicaID(n), Address: raft.ServerAddress(n.host.addr)})
		}
		for i, f := range founders {
			s.nodes[(g+i)%count].place[uint32(g+1)] = replica{id: f.ID, founders: founders}
		}
	}
	for len(s.tags) < 3 {
		s.tags = append(s.tags, fmt.Sprintf("{t%d}", s.rnd.IntN(1000)))
	}
	s.note("%d nodes, %d groups, keys %v", count, s.groups, s.tags)
}

func (s *sim) replicaID(n *node) raft.ServerID {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids++
	return raft.ServerID(fmt.Sprintf("%s.%d", n.name, s.ids))
}

func (s *sim) groupIDs() []uint32 {
	out := make([]uint32, s.groups)
	for i := range out {
		out[i] = uint32(i + 1)
	}
	return out
}

// found gives each group its part of the slots.
func (s *sim) found() {
	each := shard.Slots / s.groups
	for g := range s.groups {
		slots := shard.Range{uint16(g * each), uint16((g+1)*each - 1)}
		if g == s.groups-1 {
			slots[1] = shard.Slots - 1
		}
		s.moves.own(uint32(g+1), slots)
		s.await("slots of the first map", settleBound, func() bool { return s.ownFirst(uint32(g+1), slots) })
	}
}

// window lets faults and clients at the cluster, heals it and looks at it.
func (s *sim) window(before map[string]string) (after map[string]string, ok bool) {
	working, stop := context.WithCancel(s.ctx)
	var work sync.WaitGroup
	number := uint64(len(s.windows))
	for i := range clients {
		c := &client{sim: s, id: i, rnd: s.stream(1000*(number+1) + uint64(i)), last: make(map[string]string), session: fmt.Sprintf("s%d.%d", number, i)}
		c.seq = (number + 1) * 100000 // values stay unique over windows
		work.Go(func() { c.run(working) })
	}
	breaking, heal := context.WithTimeout(s.ctx, min(window, s.options.Length))
	defer heal()
	s.breakThings(breaking, s.stream(1000000+number))
	s.note("healed")
	s.awaitService()
	stop()
	work.Wait()
	s.requests.Wait()
	s.moves.wait()
	after, ok = s.look()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.windows = append(s.windows, judged{before: before, after: after, ops: s.ops})
	s.ops = nil
	clear(s.hung)
	return after, ok
}

// await waits until condition holds, and takes it for a violation if it does not
// in time.
func (s *sim) await(what string, bound time.Duration, condition func() bool) bool {
	for start := time.Now(); time.Since(start) < bound; time.Sleep(50 * time.Millisecond) {
		if condition() {
			return true
		}
	}
	s.violate("after %v still not so: %s", bound, what)
	return false
}

// tick returns the next moment in the order of the history.
func (s *sim) tick() int64 { return s.clock.Add(1) }

func (s *sim) record(o *history.Operation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ops = append(s.ops, *o)
}

func (s *sim) violate(format string, args ...any) {
	text := fmt.Sprintf("%8.3fs ", time.Since(s.began).Seconds()) + fmt.Sprintf(format, args...)
	s.journal.line("VIOLATION " + text)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.violations = append(s.violations, text)
}

func (s *sim) violated() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.violations) > 0
}

// note writes a line into the record of the run.
func (s *sim) note(format string, args ...any) {
	s.journal.line(fmt.Sprintf("%8.3fs ", time.Since(s.began).Seconds()) + fmt.Sprintf(format, args...))
}

// hangs tells whether a node's disk was made to hang lately.
func (s *sim) hangs(n *node) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hung[n]
}

func (s *sim) keys() (out []string) {
	for _, tag := range s.tags {
		out = append(out, tag+"r", tag+"n", tag+"l")
	}
	slices.Sort(out)
	return slices.Compact(out)
}
