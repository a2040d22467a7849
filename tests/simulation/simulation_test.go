package simulation

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

// number reads an environment variable.
func number(t *testing.T, name string, usual uint64) uint64 {
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s=%s is no number", name, text)
	}
	return n
}

// length reads how long a seed runs, in virtual time.
func length(t *testing.T, usual time.Duration) time.Duration {
	text := os.Getenv("LENGTH")
	if text == "" {
		return usual
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("LENGTH=%s is no duration, such as 10m", text)
	}
	return d
}

// Clusters stay correct under all faults: `make sim` tries more seeds, for longer.
// SEED is the first seed, SEEDS how many, LENGTH how much virtual time each, REPEAT
// how often each.
func TestSimulation(t *testing.T) {
	first, seeds := number(t, "SEED", uint64(time.Now().UnixNano()/1e6)), number(t, "SEEDS", 2)
	each := length(t, 30*time.Second)
	sum, start := Result{Faults: make(map[string]int), Seen: make(map[string]int)}, time.Now()
	for seed := first; seed < first+seeds; seed++ {
		for range number(t, "REPEAT", 1) {
			t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
				o := Options{Seed: seed, Length: each}
				if os.Getenv("VERBOSE") != "" {
					o.Log = os.Stderr
				}
				r := Run(t, o)
				report(t, seed, r)
				sum.add(r)
			})
		}
	}
	t.Logf("%v of cluster time in %v: %d faults, %d operations (%d with unknown outcome, %d sets of keys without a verdict), a healed cluster served after %v at most",
		sum.Virtual.Round(time.Second), time.Since(start).Round(time.Second), sum.faults(), sum.Operations, sum.Unknown, sum.Undecided, sum.Outage.Round(time.Millisecond))
	for _, numbers := range []map[string]int{sum.Faults, sum.Seen} {
		text := ""
		for _, k := range slices.Sorted(maps.Keys(numbers)) {
			text += fmt.Sprintf("  %s %d", k, numbers[k])
		}
		t.Log(text)
	}
	if tried := int(seeds) * int(each/(30*time.Second)); sum.Operations < 300*tried || sum.faults() < 4*tried {
		t.Errorf("%d operations and %d faults prove little", sum.Operations, sum.faults())
	}
}

func report(t *testing.T, seed uint64, r Result) {
	t.Logf("%v, %d faults, %d operations", r.Virtual.Round(time.Second), r.faults(), r.Operations)
	if len(r.Violations) == 0 {
		return
	}
	for _, v := range r.Violations {
		t.Error(v)
	}
	t.Errorf("seed %d: the faults as they happened are in %s.txt and the history in %s.jsonl. Again: make sim SEEDS=1 SEED=%d REPEAT=10 (the seed fixes what is tried, not the order of goroutines)",
		seed, r.Record, r.Record, seed)
}

func (r *Result) faults() (n int) {
	for _, x := range r.Faults {
		n += x
	}
	return n
}

func (r *Result) add(o Result) {
	r.Virtual += o.Virtual
	r.Operations += o.Operations
	r.Unknown += o.Unknown
	r.Undecided += o.Undecided
	r.Outage = max(r.Outage, o.Outage)
	for k, n := range o.Faults {
		r.Faults[k] += n
	}
	for k, n := range o.Seen {
		r.Seen[k] += n
	}
}
