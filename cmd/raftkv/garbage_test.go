package main

import (
	"runtime"
	"testing"
	"time"
)

func TestGarbagePercent(t *testing.T) {
	for _, c := range []struct {
		live uint64
		want int
	}{{0, mostPercent}, {1 << 20, mostPercent}, {16 << 20, 400}, {64 << 20, 100}, {1 << 30, leastPercent}, {1 << 40, leastPercent}} {
		if got := garbagePercent(c.live); got != c.want {
			t.Errorf("with %d bytes in use: %d %%, want %d", c.live, got, c.want)
		}
	}
}

// It is told after each collection, not only after the first one.
func TestTellCollected(t *testing.T) {
	collected := make(chan struct{}, 1)
	tellCollected(t.Context(), collected)
	for i := range 3 {
		deadline := time.After(20 * time.Second)
		for told := false; !told; {
			runtime.GC()
			select {
			case <-collected:
				told = true
			case <-time.After(time.Millisecond):
			case <-deadline:
				t.Fatalf("nothing told after %d tellings", i)
			}
		}
	}
}
