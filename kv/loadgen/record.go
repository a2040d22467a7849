package loadgen

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latencies are kept from 100 ns to a minute with three digits.
const (
	lowest  = 100
	highest = int64(time.Minute)
	digits  = 3
)

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(lowest, highest, digits) }

// maxStripes bounds how many clients share a stripe's lock: a histogram takes
// 170 KiB, so a thousand clients cannot have their own.
const maxStripes = 8

// recorder collects what clients measure. Clients write into stripes; collect
// moves that into the totals.
type recorder struct {
	stripes []stripe
	total   measurements
}

type stripe struct {
	mu sync.Mutex
	measurements
}

// measurements are what happened in some time.
type measurements struct {
	latency [kinds]*hdrhistogram.Histogram // of operations that succeeded
	misses  int64
	errors  map[string]int64
}

func newMeasurements() measurements {
	m := measurements{errors: make(map[string]int64)}
	for k := range m.latency {
		m.latency[k] = newHistogram()
	}
	return m
}

func (m *measurements) add(o *measurements) {
	for k := range m.latency {
		m.latency[k].Merge(o.latency[k])
	}
	m.misses += o.misses
	for code, n := range o.errors {
		m.errors[code] += n
	}
}

func (m *measurements) reset() {
	for k := range m.latency {
		m.latency[k].Reset()
	}
	m.misses = 0
	clear(m.errors)
}

func (m *measurements) ops() int64 {
	return m.latency[Read].TotalCount() + m.latency[Write].TotalCount()
}

func (m *measurements) failed() int64 {
	var n int64
	for _, c := range m.errors {
		n += c
	}
	return n
}

// all is the histogram of both kinds.
func (m *measurements) all() *hdrhistogram.Histogram {
	h := newHistogram()
	for k := range m.latency {
		h.Merge(m.latency[k])
	}
	return h
}

func newRecorder(clients int) *recorder {
	r := &recorder{stripes: make([]stripe, min(clients, maxStripes)), total: newMeasurements()}
	for i := range r.stripes {
		r.stripes[i].measurements = newMeasurements()
	}
	return r
}

// batch notes the operations of one batch that ended at end; starts tells when
// each began to count. It returns how many succeeded.
func (r *recorder) batch(client int, ops []Op, starts []time.Time, end time.Time) (succeeded int) {
	s := &r.stripes[client%len(r.stripes)]
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range ops {
		op := &ops[i]
		if op.Failure != "" {
			s.errors[op.Failure]++
			continue
		}
		if op.Missed {
			s.misses++
		}
		succeeded++
		// It cannot fail: the value is within the histogram's bounds.
		_ = s.latency[op.Kind].RecordValue(min(int64(end.Sub(starts[i])), highest))
	}
	return succeeded
}

// collect moves what the stripes hold into the totals, and into interval.
func (r *recorder) collect(interval *measurements) {
	interval.reset()
	for i := range r.stripes {
		s := &r.stripes[i]
		s.mu.Lock()
		interval.add(&s.measurements)
		s.reset()
		s.mu.Unlock()
	}
	r.total.add(interval)
}
