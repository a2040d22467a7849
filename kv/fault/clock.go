package fault

import (
	"math/rand/v2"
	"time"
)

func (f *Fault) ofClock() bool { return f.Kind == Clock || f.Kind == ClockJumps }

// Now is the node's clock, with what is wrong about it.
func (s *Set) Now() time.Time {
	now := s.opts.Now()
	p := s.clock.Load()
	if p == nil {
		return now
	}
	for _, a := range *p {
		now = now.Add(a.offset(time.Now()))
	}
	return now
}

// offset is how wrong the clock is.
func (a *active) offset(now time.Time) time.Duration {
	f := &a.fault
	if f.Kind == Clock {
		return f.Time
	}
	chance := rand.New(rand.NewPCG(f.Seed, uint64(a.periods(now))))
	return time.Duration(chance.Int64N(2*int64(f.Time)+1)) - f.Time
}
