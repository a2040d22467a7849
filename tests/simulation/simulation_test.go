package simulation

import (
	"os"
	"strconv"
	"testing"
	"time"
)

func envNumber(t *testing.T, name string, usual uint64) uint64 {
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

func TestSimulation(t *testing.T) {
	seed, seeds := envNumber(t, "SEED", 1), envNumber(t, "SEEDS", 1)
	for s := seed; s < seed+seeds; s++ {
		o := Options{Seed: s, Length: 5 * time.Minute}
		if os.Getenv("VERBOSE") != "" {
			o.Log = os.Stderr
		}
		start := time.Now()
		r := Run(t, o)
		t.Logf("seed %d: %v in %v, %v, %d ops %d unknown, outage %v", s, r.Virtual, time.Since(start), r.Faults, r.Operations, r.Unknown, r.Outage)
		for _, v := range r.Violations {
			t.Error(v)
		}
	}
}
