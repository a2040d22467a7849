package fsm

import (
	"sync"
	"sync/atomic"
)

// progress lets readers wait for an index to be applied. The path of an entry
// costs one atomic load when nobody waits.
type progress struct {
	index   atomic.Uint64
	waiting atomic.Int32

	mu      sync.Mutex
	waiters map[<-chan struct{}]waiter
}

type waiter struct {
	index uint64
	done  chan struct{}
}

// reach publishes that index is applied.
func (p *progress) reach(index uint64) {
	p.index.Store(index)
	if p.waiting.Load() == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.waiters {
		if w.index <= index {
			p.drop(w.done)
			close(w.done)
		}
	}
}

// wait returns a channel that closes when index is reached. Whoever called it
// must call forget.
func (p *progress) wait(index uint64) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := waiter{index: index, done: make(chan struct{})}
	if p.waiters == nil {
		p.waiters = make(map[<-chan struct{}]waiter)
	}
	p.waiters[w.done] = w
	p.waiting.Add(1)
	// Only now is reach sure to look; what it reached before must be seen here.
	if p.index.Load() >= index {
		p.drop(w.done)
		close(w.done)
	}
	return w.done
}

func (p *progress) forget(done <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop(done)
}

// releaseAll wakes everybody: nothing will be reached any more.
func (p *progress) releaseAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.waiters {
		p.drop(w.done)
		close(w.done)
	}
}

// drop must be called with mu held.
func (p *progress) drop(done <-chan struct{}) {
	if _, ok := p.waiters[done]; ok {
		delete(p.waiters, done)
		p.waiting.Add(-1)
	}
}
