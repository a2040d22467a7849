package store

import "sync"

// A Part is a store for one of several goroutines that change it at the same time, each in
// other partitions: Split and Join stand around that. It is for commands whose keys lie in
// one slot and that do not ask what the whole store holds: Len, Bytes and the like of a
// part tell what it has changed.
type Part struct{ Store }

// Divisible tells whether Split may be called: no migration writes down what changes.
func (s *Store) Divisible() bool { return len(s.migrations) == 0 }

// Split makes parts of the store, which must not be used before Join.
func (s *Store) Split(n int) []*Part {
	lock := new(sync.Mutex)
	parts := make([]*Part, n)
	for i := range parts {
		parts[i] = &Part{*s}
		p := &parts[i].Store
		p.len, p.hidden, p.bytes, p.lock = 0, 0, 0, lock
	}
	return parts
}

// PartitionOf returns the partition that a slot lies in.
func PartitionOf(slot uint16) int { return int(slot) / slotsPerPartition }

// Begin says that what follows comes from the entry at index, at its clock (ms).
func (p *Part) Begin(clock int64, index uint64) { p.clock, p.index = clock, index }

// Join makes one store of its parts again.
func (s *Store) Join(parts []*Part) {
	for _, p := range parts {
		s.len += p.len
		s.hidden += p.hidden
		s.bytes += p.bytes
		s.clock, s.index = max(s.clock, p.clock), max(s.index, p.index)
	}
}
