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

// A large state gets more processors, and keeps them until it is a small one.
func TestLargeStatesGetProcessors(t *testing.T) {
	has := false
	for _, c := range []struct {
		inUse uint64
		want  bool
	}{{1 << 20, false}, {largeState - 1, false}, {largeState, true}, {largeState - 1, true}, {largeState / 2, true}, {largeState/2 - 1, false}, {largeState - 1, false}} {
		if has = needsProcessors(c.inUse, has); has != c.want {
			t.Errorf("with %d bytes in use: %t", c.inUse, has)
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
