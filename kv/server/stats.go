package server

import (
	"math/bits"
	"sync/atomic"
	"time"

	"raftkv/kv"
	"raftkv/kv/command"
)

// Outcome is how a command ended.
type Outcome uint8

// The outcomes of commands.
const (
	Succeeded Outcome = iota
	Failed            // a definite error: nothing was done
	Redirected
	Unknown // UNCERTAIN
	outcomes
)

func (o Outcome) String() string {
	return [...]string{"ok", "error", "moved", "uncertain"}[o]
}

func outcomeOf(r *kv.Reply) Outcome {
	if r.Kind != kv.Error {
		return Succeeded
	}
	switch kv.ReplyError(r.Str).Code() {
	case "MOVED":
		return Redirected
	case "UNCERTAIN":
		return Unknown
	}
	return Failed
}

// Stats counts what the server does. All fields may be read at any time.
type Stats struct {
	Accepted, Rejected atomic.Uint64
	Commands           atomic.Uint64
	BytesIn, BytesOut  atomic.Uint64
	ProtocolErrors     atomic.Uint64
	SlowReaders        atomic.Uint64                              // connections cut off because they did not read
	counts             map[*command.Spec]*[outcomes]atomic.Uint64 // never changes
	Reads, Writes      Latency
}

func newStats() *Stats {
	s := &Stats{counts: make(map[*command.Spec]*[outcomes]atomic.Uint64)}
	for _, spec := range command.All() {
		s.counts[spec] = new([outcomes]atomic.Uint64)
	}
	return s
}

func (s *Stats) count(spec *command.Spec, o Outcome) {
	if c := s.counts[spec]; c != nil {
		c[o].Add(1)
	}
}

// Each calls fn for every command that was seen, with its outcomes.
func (s *Stats) Each(fn func(name string, outcome Outcome, n uint64)) {
	for _, spec := range command.All() {
		for o := range outcomes {
			if n := s.counts[spec][o].Load(); n > 0 {
				fn(spec.Name, o, n)
			}
		}
	}
}

// Latency is a histogram of durations in powers of two of microseconds. It
// takes n equal observations at the price of one.
type Latency struct {
	buckets [latencyBuckets]atomic.Uint64
	sum     atomic.Int64 // ns
}

const latencyBuckets = 26 // the last one: over 16 s

func (l *Latency) observe(took time.Duration, n int) {
	i := min(bits.Len64(uint64(took.Microseconds())), latencyBuckets-1)
	l.buckets[i].Add(uint64(n))
	l.sum.Add(int64(took) * int64(n))
}

// Snapshot returns the number of observations at or below each bound in
// seconds, the total number and the sum in seconds.
func (l *Latency) Snapshot() (buckets map[float64]uint64, count uint64, sum float64) {
	buckets = make(map[float64]uint64, latencyBuckets)
	for i := range l.buckets {
		count += l.buckets[i].Load()
		if i < latencyBuckets-1 {
			buckets[float64(uint64(1)<<i)/1e6] = count
		}
	}
	return buckets, count, time.Duration(l.sum.Load()).Seconds()
}
