package raftlog

import (
	"fmt"
	"math"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// spaceInterval is how old the known amount of free disk may be.
const spaceInterval = 100 * time.Millisecond

// space watches the free disk under the low-water mark: when it is reached,
// entries are refused while they can still be refused cleanly, reads go on, and
// writes resume by themselves when there is room again.
type space struct {
	dir    string
	faults Faults

	mu   sync.Mutex
	at   time.Time
	last uint64
}

// free returns the free bytes, at most spaceInterval old.
func (s *space) free() uint64 {
	if free, ok := s.faulty(); ok {
		return free
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); now.Sub(s.at) > spaceInterval {
		s.at, s.last = now, s.measure()
	}
	return s.last
}

// faulty returns what a fault makes believe.
func (s *space) faulty() (free uint64, ok bool) {
	if s.faults == nil {
		return 0, false
	}
	return s.faults.Free()
}

func (s *space) measure() uint64 {
	if free, ok := s.faulty(); ok {
		return free
	}
	var st unix.Statfs_t
	if err := unix.Statfs(s.dir, &st); err != nil {
		return math.MaxUint64 // it cannot be told: let the write find out
	}
	return st.Bavail * uint64(st.Bsize)
}

func (s *space) checkCached(mark uint64) error { return full(s.free(), mark) }

func (s *space) check(mark uint64) error {
	if mark == 0 {
		return nil
	}
	return full(s.measure(), mark)
}

func full(free, mark uint64) error {
	if free >= mark {
		return nil
	}
	return fmt.Errorf("%w: %d MiB are free, the mark is %d MiB", ErrFull, free>>20, mark>>20)
}
