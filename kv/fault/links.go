package fault

import (
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"time"
)

// cuts tells whether the fault lets nothing pass from one node to another, after so
// many of its periods.
func (f *Fault) cuts(from, to string, period int64) bool {
	switch f.Kind {
	case Cut, Isolate:
		return f.between(from, to)
	case Split:
		a, b := f.Sides[0], f.Sides[1]
		return slices.Contains(a, from) && slices.Contains(b, to) ||
			!f.OneWay && slices.Contains(b, from) && slices.Contains(a, to)
	case Ring:
		i, j := slices.Index(f.Nodes, from), slices.Index(f.Nodes, to)
		if i < 0 || j < 0 {
			return false
		}
		apart := (i - j + len(f.Nodes)) % len(f.Nodes)
		return apart != 1 && apart != len(f.Nodes)-1
	case Flapping:
		return f.side(from, period) != f.side(to, period)
	}
	return false
}

// between tells whether what from sends to to is of the links that Nodes names.
func (f *Fault) between(from, to string) bool {
	switch len(f.Nodes) {
	case 0:
		return true
	case 1:
		return from == f.Nodes[0] || !f.OneWay && to == f.Nodes[0]
	}
	return from == f.Nodes[0] && to == f.Nodes[1] || !f.OneWay && from == f.Nodes[1] && to == f.Nodes[0]
}

// side is where Flapping puts a node in one of its periods. All nodes reckon it
// alike. In one of four periods all are on one side.
func (f *Fault) side(node string, period int64) uint64 {
	chance := rand.New(rand.NewPCG(f.Seed, uint64(period)))
	if chance.IntN(4) == 0 {
		return 0
	}
	return rand.New(rand.NewPCG(chance.Uint64(), hash(node))).Uint64() & 1
}

func hash(text string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(text))
	return h.Sum64()
}

// verdict is what becomes of a message.
type verdict struct {
	reset bool      // the connection breaks
	held  bool      // it waits until no fault holds it any more
	due   time.Time // it may not be sent before
	flip  int       // this bit changes; -1: none
}

// judge decides about a message of size bytes to a node.
func (s *Set) judge(to string, size int, now time.Time) verdict {
	v := verdict{flip: -1}
	for _, a := range s.linkFaults() {
		a.judge(&v, s.opts.Node, to, size, now)
	}
	return v
}

// holds tells whether what goes to a node waits now.
func (s *Set) holds(to string, now time.Time) bool {
	return slices.ContainsFunc(s.linkFaults(), func(a *active) bool {
		return !a.fault.Reset && to != "" && a.fault.cuts(s.opts.Node, to, a.periods(now))
	})
}

func (s *Set) linkFaults() []*active {
	if p := s.links.Load(); p != nil {
		return *p
	}
	return nil
}

// judge adds what one fault does to a message.
func (a *active) judge(v *verdict, from, to string, size int, now time.Time) {
	f := &a.fault
	switch {
	case to == "":
		return // nobody knows yet who is there
	case f.cuts(from, to, a.periods(now)):
		v.reset, v.held = v.reset || f.Reset, v.held || !f.Reset
		return
	case !f.between(from, to):
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch f.Kind {
	case Delay:
		wait := f.Time
		if f.Jitter > 0 {
			wait += time.Duration(a.chance.Int64N(int64(2*f.Jitter)+1)) - f.Jitter
		}
		v.due = later(v.due, now.Add(wait))
	case Bandwidth:
		start := later(a.free[to], now)
		a.free[to] = start.Add(time.Duration(float64(size) / float64(f.Bytes) * float64(time.Second)))
		v.due = later(v.due, a.free[to])
	case Drop:
		v.reset = v.reset || a.chance.Float64() < f.Chance
	case Flip:
		if a.chance.Float64() < f.Chance && size > 0 {
			v.flip = a.chance.IntN(size * 8)
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
