package eventlog

import (
	"sync/atomic"
	"time"
)

// A trace of every entry costs more than a tenth of a busy node's writes, and what it
// tells of ordinary ones is always the same. So a Tracer follows all entries only while
// there are few, and beyond that some of them: those whose raft index is a multiple of
// the sample, which every node reckons alike without talking. Callers also write of
// whatever is slow, failed or refused, once they know that it is: with the line of its
// begin, which then comes late and is dated back (TraceLine.At).

const (
	// DefaultTraceSample is of how many entries one is followed under load.
	DefaultTraceSample = 32
	// TraceSlow is how long something must take to be followed whatever its index.
	TraceSlow = 100 * time.Millisecond
	// freeLines is how many questions of Follows are granted in each second of the wall
	// clock whatever the index. A write of its own takes its leader about a dozen.
	freeLines = 256
)

// sampling is how a Tracer chooses.
type sampling struct {
	every atomic.Uint64 // 0 counts as DefaultTraceSample
	// free is what has been granted: the second's lower 32 bits above the count.
	free atomic.Uint64
}

// SetSample sets of how many entries one is followed under load: 1 follows all, 0 is
// DefaultTraceSample.
func (t *Tracer) SetSample(every uint64) { t.sampling.every.Store(every) }

// Sample tells of how many entries one is followed.
func (t *Tracer) Sample() uint64 {
	if every := t.sampling.every.Load(); every != 0 {
		return every
	}
	return DefaultTraceSample
}

// Follows tells whether lines of a topic about the entries up to index shall be
// written. A message without entries is about the one before it; one about none at
// all, a heartbeat, has index 0 and is followed only if all are. It is cheap.
func (t *Tracer) Follows(topic string, index uint64, entries int) bool {
	if !t.On(topic) {
		return false
	}
	every := t.Sample()
	if every == 1 {
		return true
	}
	return index != 0 && (chosen(every, index, uint64(entries)) || t.sampling.grant(time.Now()))
}

// chosen tells whether one of the entries up to index is a multiple of every.
func chosen(every, index, entries uint64) bool {
	entries = min(max(entries, 1), index)
	return index/every != (index-entries)/every
}

// grant takes one of the lines that are free in a second, if there is one.
func (s *sampling) grant(now time.Time) bool {
	second := uint64(uint32(now.Unix())) << 32
	for {
		old := s.free.Load()
		next := second + 1
		if old>>32 == second>>32 {
			if uint32(old) >= freeLines {
				return false
			}
			next = old + 1
		}
		if s.free.CompareAndSwap(old, next) {
			return true
		}
	}
}
