package eventlog

import (
	"sync/atomic"
	"time"
)

// A trace of every entry fills its files within minutes on a busy node, and what it
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
	free  budget        // of Follows
	names budget        // of Affords
}

// budget is what has been granted: the second's lower 32 bits above the count.
type budget struct{ atomic.Uint64 }

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
	return index != 0 && (chosen(every, index, uint64(entries)) || t.sampling.free.grant(time.Now(), 1))
}

// chosen tells whether one of the entries up to index is a multiple of every.
func chosen(every, index, entries uint64) bool {
	entries = min(max(entries, 1), index)
	return index/every != (index-entries)/every
}

// Affords tells whether a line of something followed may name n keys. Reading the keys
// of every command was most of what the trace cost the leader, so only so many are free
// in a second, too, but all are named if every entry is followed.
func (t *Tracer) Affords(n int) bool {
	return t != nil && (t.Sample() == 1 || t.sampling.names.grant(time.Now(), n))
}

// grant takes n of what is free in a second, if so much is left.
func (b *budget) grant(now time.Time, n int) bool {
	second := uint64(uint32(now.Unix())) << 32
	for {
		old := b.Load()
		used := uint64(n)
		if old>>32 == second>>32 {
			used += uint64(uint32(old))
		}
		if used > freeLines {
			return false
		}
		if b.CompareAndSwap(old, second|used) {
			return true
		}
	}
}
