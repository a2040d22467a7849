package raftlog

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// earlyBytes bounds the entries that are in memory but not on disk yet. All of
// them must stay in the cache: nobody can read them from the disk.
const earlyBytes = cacheBytes / 4

var errClosed = errors.New("the log is closed")

// appender writes a leader's entries to disk while they are on their way to the
// followers, as section 10.2.1 of the Raft dissertation has it: one fsync of
// latency less. hashicorp/raft counts the leader's copy as soon as StoreLogs
// returns, so whoever uses it has to see that nothing comes of that count before
// the entries are durable: see Log.WaitDurable.
type appender struct {
	store   func(logs []*raft.Log) error // returns when they are on disk
	durable atomic.Uint64                // index up to which the log is on disk

	mu      sync.Mutex
	changed sync.Cond // of what follows and of durable
	queue   []*raft.Log
	bytes   int // of the queue and of what is being written
	writing bool
	err     error // the first failure; nothing becomes durable after it
	closed  bool
	done    chan struct{}
}

func newAppender(store func([]*raft.Log) error) *appender {
	a := &appender{store: store, done: make(chan struct{})}
	a.changed.L = &a.mu
	go a.run()
	return a
}

// add queues entries of so many bytes and returns.
func (a *appender) add(logs []*raft.Log, size int) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return errClosed
	}
	if a.err != nil {
		return a.err
	}
	a.queue = append(a.queue, logs...)
	a.bytes += size
	a.changed.Broadcast()
	return nil
}

// room tells whether entries of so many bytes may be added.
func (a *appender) room(size int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.bytes+size <= earlyBytes
}

// drain waits until nothing is queued. Only the goroutine that adds may rely on
// that lasting.
func (a *appender) drain() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.err == nil && (len(a.queue) > 0 || a.writing) {
		a.changed.Wait()
	}
	return a.err
}

// wait waits until the log is durable up to index.
func (a *appender) wait(index uint64) error {
	if a.durable.Load() >= index {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.durable.Load() < index {
		if a.err != nil {
			return a.err
		}
		if a.closed && len(a.queue) == 0 && !a.writing {
			return errClosed
		}
		a.changed.Wait()
	}
	return nil
}

// reached notes that the log is durable up to index: more than before, or less
// after its end was cut off.
func (a *appender) reached(index uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.durable.Store(index)
	a.changed.Broadcast()
}

// run writes what is queued, all of it with one fsync, until close is called.
func (a *appender) run() {
	defer close(a.done)
	for {
		logs, size := a.take()
		if logs == nil {
			return
		}
		err := a.store(logs)
		a.mu.Lock()
		a.writing = false
		a.bytes -= size
		if err != nil {
			a.err = err
		} else {
			a.durable.Store(logs[len(logs)-1].Index)
		}
		a.changed.Broadcast()
		a.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// take waits for entries; it returns nil when the appender is closed and empty.
func (a *appender) take() ([]*raft.Log, int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.queue) == 0 {
		if a.closed {
			return nil, 0
		}
		a.changed.Wait()
	}
	logs := a.queue
	a.queue, a.writing = nil, true
	return logs, a.bytes
}

// close writes what is queued and ends.
func (a *appender) close() {
	a.mu.Lock()
	a.closed = true
	a.changed.Broadcast()
	a.mu.Unlock()
	<-a.done
}
