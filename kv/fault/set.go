package fault

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"raftkv/kv"
)

// Options configure a Set.
type Options struct {
	Node    string           // this node's id
	MinFree uint64           // low-water mark of free disk in bytes, for Full
	Now     func() time.Time // the wall clock
	Body    Body
	// Report is told of each fault that starts or ends here. It must not block.
	Report func(Event)
}

// Body is what faults act on beside links, disk and clock: the node. A nil group
// means all groups. Its methods may be called from any goroutine.
type Body interface {
	// FlipLog and FlipSnapshot change a bit on disk and tell where.
	FlipLog(group *uint32, chance *rand.Rand) (where string, err error)
	FlipSnapshot(group *uint32, chance *rand.Rand) (where string, err error)
	// Transfer hands over the leadership of what this node leads.
	Transfer(ctx context.Context, group *uint32)
	// Snapshot takes snapshots.
	Snapshot(ctx context.Context, group *uint32)
	// Migrate begins a migration of some slots, if this node leads the controller.
	Migrate(ctx context.Context, chance *rand.Rand)
	// Die ends the process at once.
	Die()
}

// Order tells a node to have a fault. It is JSON between nodes.
type Order struct {
	ID    string        `json:"id"`
	Fault string        `json:"fault"`            // its line, resolved, with its seed
	Age   time.Duration `json:"age_ns,omitempty"` // how long others have had it
}

// Recovery tells another node that a fault was healed. It is JSON between nodes.
type Recovery struct {
	ID  string        `json:"id"`     // empty: all that had begun before
	Age time.Duration `json:"age_ns"` // how long ago
}

// Event is the start or the end of a fault on a node.
type Event struct {
	Start  bool
	ID     string
	Fault  string
	Reason string // of an end: why now
}

// Set is the faults of one node. Its methods may be called from any goroutine.
type Set struct {
	opts   Options
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wait   sync.WaitGroup

	// What is active here, by what it concerns; nil: nothing. These are looked at
	// where faults act, and are replaced, never changed.
	links, disk, clock atomic.Pointer[[]*active]

	mu     sync.Mutex
	faults []*active // in order of their start
	conns  map[*conn]struct{}
	closed bool
	// When faults were healed, by their ids; "" is all of them. Words of a fault and of its
	// end may overtake each other.
	healed map[string]time.Time
}

// rememberHealed is for how long orders of a fault may come that was healed.
const rememberHealed = time.Minute

// active is a fault that has started.
type active struct {
	id      string
	fault   Fault
	started time.Time
	timer   *time.Timer
	ctx     context.Context // ends with the fault
	cancel  context.CancelFunc

	mu     sync.Mutex // guards what follows
	chance *rand.Rand
	free   map[string]time.Time // Bandwidth: when a link is free, by the node at its end
}

// periods is how many of the fault's periods are over.
func (a *active) periods(now time.Time) int64 { return int64(now.Sub(a.started) / a.fault.period()) }

// New returns a Set without faults. Close ends it.
func New(opts Options) *Set {
	s := &Set{opts: opts, conns: make(map[*conn]struct{}), healed: make(map[string]time.Time)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// errClosed is the error of everything after Close.
var errClosed = errors.New("this node is ending")

// Start starts a fault, or does nothing if one of this id is active or was healed. A fault that
// happens once and at once tells what it did.
func (s *Set) Start(o Order) (result string, err error) {
	f, err := Parse(o.Fault)
	if err != nil {
		return "", err
	}
	switch {
	case f.For > 0 && o.Age >= f.For:
		return "", nil
	case f.Once() && !f.Concerns(s.opts.Node):
		return "", nil
	case f.Kind == FlipLog || f.Kind == FlipSnapshot:
		return s.flip(o.ID, &f)
	}
	a := &active{id: o.ID, fault: f, started: time.Now().Add(-o.Age), free: make(map[string]time.Time)}
	a.chance = rand.New(rand.NewPCG(f.Seed, hash(s.opts.Node)))
	a.ctx, a.cancel = context.WithCancel(s.ctx)
	if added, err := s.add(a); !added {
		a.cancel()
		return "", err
	}
	s.report(Event{Start: true, ID: a.id, Fault: f.String()})
	if f.Reset {
		s.resetCut()
	}
	switch f.Kind {
	case TransferStorm, SnapshotStorm, MigrationStorm:
		s.begin(func() { s.storm(a) })
	}
	return "", nil
}

// add makes a fault active, and lets it end when its time is over.
func (s *Set) add(a *active) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false, errClosed
	}
	_, healed := s.healed[a.id]
	if healed || a.started.Before(s.healed[""]) || slices.ContainsFunc(s.faults, func(b *active) bool { return b.id == a.id }) {
		return false, nil
	}
	s.faults = append(s.faults, a)
	s.publish()
	if f := &a.fault; f.For > 0 {
		a.timer = time.AfterFunc(time.Until(a.started.Add(f.For)), func() { s.end(a.id, "its time is over") })
	}
	return true, nil
}

// begin runs fn in a goroutine that Close waits for; false: the Set is closed.
func (s *Set) begin(fn func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.wait.Go(fn)
	}
	return !s.closed
}

// flip changes a bit on disk. That cannot be healed here, so nothing stays active.
func (s *Set) flip(id string, f *Fault) (where string, err error) {
	chance := rand.New(rand.NewPCG(f.Seed, hash(s.opts.Node)))
	if f.Kind == FlipLog {
		where, err = s.opts.Body.FlipLog(f.Group, chance)
	} else {
		where, err = s.opts.Body.FlipSnapshot(f.Group, chance)
	}
	if err != nil {
		return "", err
	}
	s.report(Event{Start: true, ID: id, Fault: f.String()})
	s.report(Event{ID: id, Fault: f.String(), Reason: where})
	return where, nil
}

// resetCut breaks the connections that a cut breaks.
func (s *Set) resetCut() {
	s.mu.Lock()
	conns := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	now := time.Now()
	for _, c := range conns {
		for _, a := range s.linkFaults() {
			if to := c.node(); to != "" && a.fault.Reset && a.fault.cuts(s.opts.Node, to, a.periods(now)) {
				c.reset()
				break
			}
		}
	}
}

// Heal ends a fault, or all of them if id is empty. It returns the lines of those
// that it has ended.
func (s *Set) Heal(id string) []string {
	s.mu.Lock()
	faults := slices.Clone(s.faults)
	maps.DeleteFunc(s.healed, func(_ string, at time.Time) bool { return time.Since(at) > rememberHealed })
	s.healed[id] = time.Now()
	s.mu.Unlock()
	healed := []string{}
	for _, a := range faults {
		if (id == "" || a.id == id) && s.end(a.id, "it was healed") {
			healed = append(healed, a.fault.String())
		}
	}
	return healed
}

// Healed lists what was healed of late, for a node that starts: it could not be told.
func (s *Set) Healed() []Recovery {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Recovery{}
	for id, at := range s.healed {
		out = append(out, Recovery{id, time.Since(at)})
	}
	return out
}

// LearnHealed remembers what another node has healed.
func (s *Set) LearnHealed(list []Recovery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range list {
		if at := time.Now().Add(-r.Age); at.After(s.healed[r.ID]) {
			s.healed[r.ID] = at
		}
	}
}

// end ends a fault, and tells whether there was one.
func (s *Set) end(id, reason string) bool {
	s.mu.Lock()
	at := slices.IndexFunc(s.faults, func(a *active) bool { return a.id == id })
	if at < 0 {
		s.mu.Unlock()
		return false
	}
	a := s.faults[at]
	s.faults = slices.Delete(s.faults, at, at+1)
	s.publish()
	if a.timer != nil {
		a.timer.Stop()
	}
	a.cancel()
	s.mu.Unlock()
	s.report(Event{ID: id, Fault: a.fault.String(), Reason: reason})
	return true
}

// publish shows what is active to where it acts. mu is held.
func (s *Set) publish() {
	of := func(belongs func(*Fault) bool) *[]*active {
		var out []*active
		for _, a := range s.faults {
			if belongs(&a.fault) && a.fault.Concerns(s.opts.Node) {
				out = append(out, a)
			}
		}
		if out == nil {
			return nil
		}
		return &out
	}
	s.links.Store(of((*Fault).OfLinks))
	s.disk.Store(of((*Fault).ofDisk))
	s.clock.Store(of((*Fault).ofClock))
}

// report passes the start or end of a fault on. All of them come through here.
func (s *Set) report(e Event) {
	if s.opts.Report != nil {
		s.opts.Report(e)
	}
}

// List lists what is active, in order of start.
func (s *Set) List() []kv.FaultStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []kv.FaultStatus{}
	for _, a := range s.faults {
		st := kv.FaultStatus{ID: a.id, Fault: a.fault.String(), StartedMS: a.started.UnixMilli(), Nodes: []string{s.opts.Node}}
		if a.fault.For > 0 {
			st.UntilMS = a.started.Add(a.fault.For).UnixMilli()
		}
		out = append(out, st)
	}
	return out
}

// Lasting lists, as orders, the faults that a node which starts again has still to
// have: those of links and clocks. A new process begins with a new disk.
func (s *Set) Lasting() []Order {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Order{}
	for _, a := range s.faults {
		if a.fault.OfLinks() || a.fault.ofClock() || a.fault.OfProcess() {
			out = append(out, Order{ID: a.id, Fault: a.fault.String(), Age: time.Since(a.started)})
		}
	}
	return out
}

// Merge joins what several nodes list.
func Merge(lists ...[]kv.FaultStatus) []kv.FaultStatus {
	out := []kv.FaultStatus{}
	for _, list := range lists {
		for _, st := range list {
			at := slices.IndexFunc(out, func(known kv.FaultStatus) bool { return known.ID == st.ID })
			if at < 0 {
				st.Nodes = slices.Clone(st.Nodes)
				out = append(out, st)
				continue
			}
			out[at].Nodes = append(out[at].Nodes, st.Nodes...)
		}
	}
	for i := range out {
		slices.Sort(out[i].Nodes)
		out[i].Nodes = slices.Compact(out[i].Nodes)
	}
	slices.SortFunc(out, func(a, b kv.FaultStatus) int { return strings.Compare(a.ID, b.ID) })
	slices.SortStableFunc(out, func(a, b kv.FaultStatus) int { return int(a.StartedMS - b.StartedMS) })
	return out
}

// Close ends what is active, without a word, and waits for what it had begun.
func (s *Set) Close() {
	s.mu.Lock()
	s.closed = true
	for _, a := range s.faults {
		if a.timer != nil {
			a.timer.Stop()
		}
	}
	conns := s.conns
	s.conns = make(map[*conn]struct{})
	s.mu.Unlock()
	s.cancel()
	for c := range conns {
		c.Conn.Close()
	}
	s.wait.Wait()
}
