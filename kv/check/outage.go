package check

import "sync"

// outage measures how long those who ask for a set of keys wait while nobody of
// them is answered. Its methods may be called from any goroutine.
type outage struct {
	mu      sync.Mutex
	asking  int   // operations under way
	waiting bool  // since then somebody has asked and nobody was answered
	since   int64 // ns since the run began
}

// ask notes that somebody asks.
func (o *outage) ask(now int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asking++
	if !o.waiting {
		o.waiting, o.since = true, now
	}
}

// end notes that somebody was answered, or asks no more. It returns how long nobody
// had been answered.
func (o *outage) end(now int64, answered bool) (gap int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asking--
	if !answered {
		return now - o.since // and it goes on
	}
	gap = now - o.since
	o.waiting, o.since = o.asking > 0, now
	return gap
}
