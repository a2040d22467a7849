package node

import (
	"runtime"
	"sync"
)

// hurry lets the process use more processors while a leader replays its log: those that
// share them rest meanwhile (group's replay).
type hurry struct {
	processors int // 0: as many as always

	mu      sync.Mutex
	leaders int // who replay
	usual   int // processors
}

// begin is called by a leader that begins, and what it returns when that is done.
func (h *hurry) begin() (slower func()) {
	if h.processors == 0 {
		return func() {}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.leaders++; h.leaders == 1 {
		h.usual = runtime.GOMAXPROCS(h.processors)
	}
	return h.end
}

func (h *hurry) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.leaders--; h.leaders == 0 {
		runtime.GOMAXPROCS(h.usual)
	}
}
