package node

import (
	"runtime"
	"sync"
)

// hurry lets the process use more processors for a while: when a log is replayed, since those
// that share them rest while it is a leader's and since a follower's messages shall not wait
// for it (group's replay), and as long as a state is large, which keeps the collector busy.
type hurry struct {
	processors int // 0: as many as always

	mu    sync.Mutex
	users int // who hurry
	usual int // processors
}

// Hurry lets the process use Config.HurryProcessors until what it returns is called.
func (n *Node) Hurry() (slower func()) { return n.hurry.begin() }

// begin is called by who begins to hurry, and what it returns when that is done.
func (h *hurry) begin() (slower func()) {
	if h.processors == 0 {
		return func() {}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.users++; h.users == 1 {
		h.usual = runtime.GOMAXPROCS(h.processors)
	}
	return h.end
}

func (h *hurry) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.users--; h.users == 0 {
		runtime.GOMAXPROCS(h.usual)
	}
}
