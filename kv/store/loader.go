package store

import (
	"encoding/binary"
	"fmt"

	"raftkv/shard"
)

// Loader builds a store from the sections of a snapshot. Different partitions
// may be filled concurrently; each by one goroutine at a time.
type Loader struct {
	store *Store
	parts [Partitions]Partition
}

// Partition is the part of a Loader that one goroutine fills.
type Partition struct {
	number    int
	store     *Store
	tree      *tree
	deadlines []deadline
	graves    []grave
	changes   []change
	len       int
	bytes     int64
}

// NewLoader begins a store whose last entry was at index, with the log's clock
// in ms.
func NewLoader(clock int64, index uint64) *Loader {
	l := &Loader{store: New()}
	l.store.clock, l.store.index = clock, index
	for i := range l.parts {
		l.parts[i] = Partition{number: i, store: l.store, tree: l.store.trees[i]}
	}
	return l
}

type grave struct {
	trail    *trail
	position uint64
	record   record
}

// Track says that the slots of a migration have a trail, with what Store.Trail
// told of it. It must be called before any partition is filled.
func (l *Loader) Track(number uint64, slots []shard.Range, mirror bool, base, cleared uint64) {
	l.store.follow(newTrail(number, slots, mirror, base, cleared))
}

// Partition returns the partition that holds the slots n*256 to n*256+255.
func (l *Loader) Partition(n int) *Partition { return &l.parts[n] }

// Slot tells when a key was last deleted in slot.
func (p *Partition) Slot(slot uint16, deleted uint64) error {
	if PartitionOf(slot) != p.number {
		return fmt.Errorf("slot %d is not of partition %d", slot, p.number)
	}
	p.store.deleted[slot] = deleted
	return nil
}

// Add puts a key into the store. Keys in the order of AscendSlot are fastest.
// The slices are copied.
func (p *Partition) Add(key, value []byte, expireAt int64, changed uint64) error {
	slot, pos := position(key)
	if PartitionOf(slot) != p.number {
		return fmt.Errorf("key %q of slot %d is not of partition %d", key, slot, p.number)
	}
	r, before := p.tree.load(pos, key, value, expireAt, changed)
	if before != "" {
		if before.find(key) != "" {
			return fmt.Errorf("key %q comes twice", key)
		}
		p.tree.set(pos, before+chain(r))
	}
	if expireAt != 0 {
		p.deadlines = append(p.deadlines, deadline{expireAt, pos})
	}
	if t := p.store.trails[slot]; t != nil && !t.mirror && changed > t.base {
		p.changes = append(p.changes, change{changed, pos})
	}
	p.store.slotLen[slot]++ // slots of different partitions are different memory
	p.store.digest[slot] += r.digest()
	p.len++
	p.bytes += cost(r)
	return nil
}

// Grave says that key was deleted at index, and the digest of what was there. Its
// slot must have a trail.
func (p *Partition) Grave(key []byte, index, digest uint64) error {
	slot, pos := position(key)
	t := p.store.trails[slot]
	if PartitionOf(slot) != p.number || t == nil {
		return fmt.Errorf("deleted key %q of slot %d, which does not migrate or is not of partition %d", key, slot, p.number)
	}
	g := newRecord(key, binary.LittleEndian.AppendUint64(nil, digest), 0, index)
	p.graves = append(p.graves, grave{t, pos, g})
	if !t.mirror {
		p.changes = append(p.changes, change{index, pos})
	}
	return nil
}

// Done returns the store. The loader must not be used after it.
func (l *Loader) Done() *Store {
	for i := range l.parts {
		p := &l.parts[i]
		l.store.len += p.len
		l.store.bytes += p.bytes
		for _, d := range p.deadlines {
			l.store.deadlines.Set(d)
		}
		for _, g := range p.graves {
			g.trail.bury(g.position, g.trail.graves.get(g.position), g.record)
			l.store.bytes += cost(g.record)
		}
		for _, c := range p.changes {
			l.store.trails[uint16(c.position>>hashBits)].changes.Set(c)
		}
	}
	return l.store
}
