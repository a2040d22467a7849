package raftlog

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/raft"
)

// GetLog reads an entry. Its Data must not be changed.
func (l *Log) GetLog(index uint64, out *raft.Log) error {
	l.mu.RLock()
	if index < l.first || index > l.last || l.last == 0 {
		l.mu.RUnlock()
		return raft.ErrLogNotFound
	}
	cached := l.cache.get(index, out)
	l.mu.RUnlock()
	if cached {
		return nil
	}
	if p := l.pass.Load(); p != nil {
		ok, on := p.get(index, out)
		if !on {
			l.pass.CompareAndSwap(p, nil)
		}
		if ok {
			return nil
		}
	}
	if err := l.entries.GetLog(index, out); err != nil {
		if errors.Is(err, raft.ErrLogNotFound) {
			return err // compacted meanwhile
		}
		return fmt.Errorf("%s: entry %d: %w", l.entries.Path(), index, err)
	}
	return nil
}

// pass is raft's look through the log while it starts: NewRaft reads each entry
// behind the snapshot once, in order, for changes of membership, before it starts any
// goroutine. It keeps no entry of another kind, so these share one window of memory.
//
// It ends with the last entry, and with any other that is out of order: from then on
// entries belong to whoever asks for them, as raft.LogStore has it.
type pass struct {
	mu   sync.Mutex
	next uint64
	last uint64
	read func(index uint64, log *raft.Log) bool
	over func() // frees what read uses
}

// get reads the entry at index if it is the pass's next one, and tells whether the
// pass goes on.
func (p *pass) get(index uint64, log *raft.Log) (ok, on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if index == p.last && p.next < p.last {
		return false, true // where raft's log ends is asked first
	}
	if index != p.next || !p.read(index, log) {
		p.over()
		return false, false
	}
	if log.Type == raft.LogConfiguration {
		log.Data, log.Extensions = bytes.Clone(log.Data), bytes.Clone(log.Extensions)
	}
	if p.next++; p.next > p.last {
		p.over()
		return true, false
	}
	return true, true
}

// Starting tells that the next to read entries is NewRaft, with a newest snapshot
// that ends at index snapshot. Call it right before.
func (l *Log) Starting(snapshot uint64) {
	first, last := l.Bounds()
	store, ok := l.entries.(*walStore)
	if !ok || last <= snapshot || first > snapshot+1 {
		return
	}
	ahead := store.reader(snapshot)
	l.pass.Store(&pass{next: snapshot + 1, last: last, read: ahead.get, over: ahead.forget})
}

// Started tells that NewRaft has returned.
func (l *Log) Started() { l.pass.Store(nil) }
