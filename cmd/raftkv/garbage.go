package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// How much garbage a server may have before it is collected: a share of what is
// in use, but not less than freeGarbage. With Go's fixed 100 % a small state is
// collected many times a second, and a large one takes twice its size. A large one may
// be collected often: the collector does not look into it (kv/store).
const (
	freeGarbage  = 64 << 20 // bytes
	leastPercent = 25
	mostPercent  = 800
)

// With a state of largeState bytes, as it is known after a collection, a process keeps more
// processors where they are to be had: snapshots take long then, and of a single processor
// they and the collector take pieces of milliseconds for which messages wait. Small states have only the cost,
// which is that threads of nodes that share processors wake each other more often.
const largeState = 256 << 20

// paceGarbage adapts the collector to the size of the state, once the node serves, until
// ctx ends. With hurry the process has more processors until what that returns is called. It
// is for a process of its own: the settings are Go's, for all of it. GOGC and GOMEMLIMIT in
// the environment win.
func paceGarbage(ctx context.Context, serves <-chan struct{}, hurry func() (slower func())) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	// Until then Go's 100 % stay: most memory is used for the first time, and that costs
	// more than to collect what is used again.
	select {
	case <-serves:
	case <-ctx.Done():
		return
	}
	collected := make(chan struct{}, 1)
	tellCollected(ctx, collected)
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	set := 0
	var slower func() // nil: it does not hurry
	for {
		metrics.Read(live)
		inUse := live[0].Value.Uint64()
		percent := garbagePercent(inUse)
		switch needs := needsProcessors(inUse, slower != nil); {
		case needs && slower == nil:
			slower = hurry()
		case !needs && slower != nil:
			slower()
			slower = nil
		}
		// Setting it stops the world for a moment.
		if percent > set*9/8 || percent < set*7/8 {
			debug.SetGCPercent(percent)
			set = percent
		}
		select {
		case <-collected:
		case <-ctx.Done():
			return
		}
	}
}

// tellCollected tells after each collection until ctx ends: what is in use is known anew
// then, and at no other time. A process at rest collects nothing and is not woken.
func tellCollected(ctx context.Context, collected chan<- struct{}) {
	// It has pointers, else it would share a block of memory with others and live as
	// long as they do.
	type unreachable struct{ self *unreachable }
	runtime.AddCleanup(new(unreachable), func(struct{}) {
		select {
		case collected <- struct{}{}:
		default:
		}
		if ctx.Err() == nil {
			tellCollected(ctx, collected)
		}
	}, struct{}{})
}

// needsProcessors tells whether a process with so many bytes in use, which has more
// processors already or not, is to have them. They are not to come and go.
func needsProcessors(inUse uint64, has bool) bool {
	return inUse >= largeState || has && inUse >= largeState/2
}

// garbagePercent is how much garbage goes with so many bytes in use.
func garbagePercent(live uint64) int {
	return int(min(max(freeGarbage*100/max(live, 1), leastPercent), mostPercent))
}
