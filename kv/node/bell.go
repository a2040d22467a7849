package node

import "sync"

// bell wakes all who wait for a change. The zero value is ready.
type bell struct {
	mu   sync.Mutex
	wait chan struct{}
}

// next returns a channel that closes at the next ring.
func (b *bell) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.wait == nil {
		b.wait = make(chan struct{})
	}
	return b.wait
}

// ring wakes those who wait. It does not block.
func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.wait != nil {
		close(b.wait)
		b.wait = nil
	}
}
