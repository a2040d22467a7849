package loadgen

import (
	"encoding/json"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Result is what a run measured.
type Result struct {
	Elapsed time.Duration
	// Interrupted says that the context ended before the run was over.
	Interrupted bool
	All         Summary
	Reads       Summary
	Writes      Summary
	// Errors counts failed operations by code, such as CLUSTERDOWN, or
	// "connection" if the connection broke. They are in no summary.
	Errors map[string]int64
	// Misses counts reads that found no value; they succeeded.
	Misses int64
	// Unsent counts operations of an open loop that were due but not sent when
	// the run ended: the target was slower than the rate.
	Unsent int64
}

// Failed returns how many operations failed.
func (r *Result) Failed() int64 {
	m := measurements{errors: r.Errors}
	return m.failed()
}

// Summary describes the operations that succeeded.
type Summary struct {
	Count                          int64
	Rate                           float64 // a second
	Mean, P50, P90, P99, P999, Max time.Duration
	Histogram                      *hdrhistogram.Histogram // of ns
}

func summarize(h *hdrhistogram.Histogram, elapsed time.Duration) Summary {
	s := Summary{Count: h.TotalCount(), Histogram: h}
	if s.Count == 0 {
		return s
	}
	if elapsed > 0 {
		s.Rate = float64(s.Count) / elapsed.Seconds()
	}
	at := func(percent float64) time.Duration { return time.Duration(h.ValueAtQuantile(percent)) }
	s.Mean, s.Max = time.Duration(h.Mean()), time.Duration(h.Max())
	s.P50, s.P90, s.P99, s.P999 = at(50), at(90), at(99), at(99.9)
	return s
}

func newResult(m *measurements, elapsed time.Duration) *Result {
	return &Result{
		Elapsed: elapsed,
		All:     summarize(m.all(), elapsed),
		Reads:   summarize(m.latency[Read], elapsed),
		Writes:  summarize(m.latency[Write], elapsed),
		Errors:  m.errors,
		Misses:  m.misses,
	}
}

// MarshalJSON writes latencies in microseconds.
func (s Summary) MarshalJSON() ([]byte, error) {
	us := func(d time.Duration) float64 { return float64(d) / 1e3 }
	return json.Marshal(struct {
		Count int64   `json:"ops"`
		Rate  float64 `json:"ops_per_second"`
		Mean  float64 `json:"mean_us"`
		P50   float64 `json:"p50_us"`
		P90   float64 `json:"p90_us"`
		P99   float64 `json:"p99_us"`
		P999  float64 `json:"p999_us"`
		Max   float64 `json:"max_us"`
	}{s.Count, s.Rate, us(s.Mean), us(s.P50), us(s.P90), us(s.P99), us(s.P999), us(s.Max)})
}

// MarshalJSON writes the result for programs.
func (r *Result) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Elapsed     float64          `json:"elapsed_seconds"`
		Interrupted bool             `json:"interrupted,omitempty"`
		All         Summary          `json:"all"`
		Reads       Summary          `json:"reads"`
		Writes      Summary          `json:"writes"`
		Errors      map[string]int64 `json:"errors"`
		Misses      int64            `json:"misses"`
		Unsent      int64            `json:"unsent,omitempty"`
	}{r.Elapsed.Seconds(), r.Interrupted, r.All, r.Reads, r.Writes, r.Errors, r.Misses, r.Unsent})
}
