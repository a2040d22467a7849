// Package store is a group's key space in memory: an ordered, copy-on-write map
// from keys to values with expiry. It is deterministic and does no I/O, reads no
// clock and starts no goroutine: time and index come from the raft entry that
// is being applied.
//
// A Store is not safe for concurrent use: many readers or one writer. A View
// taken by Snapshot may be read beside anything.
package store

import (
	"sync"

	"github.com/cespare/xxhash/v2"
	"github.com/tidwall/btree"

	"raftkv/shard"
)

// MaxExpirePerEntry bounds how many due keys one entry removes, so that no
// entry takes long. Keys that are due are absent at once all the same. It is
// part of the state machine's definition: every replica must use this number.
const MaxExpirePerEntry = 1000

// Partitions is the number of trees. Slot s lies in partition s/256; a restore
// builds them in parallel.
const Partitions = 64

const slotsPerPartition = shard.Slots / Partitions

// recordOverhead estimates what a key costs beside its record, in bytes: its
// place in a tree that is two thirds full, and what blocks hold in vain.
const recordOverhead = 44

// deadlineOverhead estimates a key's place in the index of deadlines.
const deadlineOverhead = 24

// hashBits is the width of the hash behind the slot in a position.
const hashBits = 48

// Item is what the store has for a key. Value points into the store: it is
// immutable and may be kept.
type Item struct {
	Value    []byte
	ExpireAt int64  // ms since the Unix epoch, 0: never
	Changed  uint64 // index of the entry that wrote it last
}

// Store is a key space.
type Store struct {
	trees     [Partitions]*tree
	deadlines *btree.BTreeG[deadline]
	slotLen   *[shard.Slots]int32
	deleted   *[shard.Slots]uint64 // index of the last deletion in a slot
	digest    *[shard.Slots]uint64 // sum of the digests of a slot's records
	gates     *[shard.Slots]gate

	migrations []*trail
	trails     map[uint16]*trail // the same, by slot

	clock  int64
	index  uint64
	len    int
	hidden int // of len
	bytes  int64

	lock *sync.Mutex // of deadlines, in a part; nil: nobody else changes them
}

// deadline says that some record at a position expires at a time.
type deadline struct {
	at       int64
	position uint64
}

func (d deadline) before(e deadline) bool {
	return d.at < e.at || d.at == e.at && d.position < e.position
}

// New returns an empty store.
func New() *Store {
	s := &Store{
		deadlines: newDeadlines(),
		slotLen:   new([shard.Slots]int32),
		deleted:   new([shard.Slots]uint64),
		digest:    new([shard.Slots]uint64),
		gates:     new([shard.Slots]gate),
	}
	for i := range s.trees {
		s.trees[i] = newTree()
	}
	return s
}

func newDeadlines() *btree.BTreeG[deadline] {
	return btree.NewBTreeGOptions(deadline.before, btree.Options{NoLocks: true})
}

// position is where a key stands in the order of all keys: by slot, then by
// hash. Cursors of Scan are positions, so they need no state.
func position(key []byte) (slot uint16, pos uint64) {
	slot = shard.Slot(key)
	return slot, uint64(slot)<<hashBits | xxhash.Sum64(key)>>(64-hashBits)
}

// Advance begins a raft entry: clock is the leader's in ms, clamped so that time
// never goes back; index is the entry's. Up to MaxExpirePerEntry due keys are
// removed.
func (s *Store) Advance(clock int64, index uint64) {
	s.clock = max(s.clock, clock)
	s.index = index
	for n := 0; n < MaxExpirePerEntry; {
		d, ok := s.deadlines.Min()
		if !ok || d.at > s.clock {
			return
		}
		s.deadlines.PopMin()
		slot := uint16(d.position >> hashBits)
		tree := s.trees[PartitionOf(slot)]
		c := tree.get(d.position)
		var rest chain
		for r := range c.each {
			if r.expireAt() != d.at {
				rest += chain(r)
			}
		}
		tree.set(d.position, rest)
		for r := range c.each {
			if r.expireAt() == d.at {
				s.forget(slot, d.position, r, rest)
				n++
			}
		}
	}
}

// forget takes a record that has left its tree out of the counts, and leaves its
// traces; rest is what its position still holds.
func (s *Store) forget(slot uint16, pos uint64, r record, rest chain) {
	s.uncount(slot, r)
	s.deleted[slot] = s.index
	if t := s.trails[slot]; t != nil {
		s.bytes += t.deleted(pos, r, rest, s.index)
	}
}

func (s *Store) count(slot uint16, r record) {
	s.len++
	s.slotLen[slot]++
	s.bytes += cost(r)
	s.digest[slot] += r.digest()
	if s.gates[slot].hidden {
		s.hidden++
	}
}

func (s *Store) uncount(slot uint16, r record) {
	s.len--
	s.slotLen[slot]--
	s.bytes -= cost(r)
	s.digest[slot] -= r.digest()
	if s.gates[slot].hidden {
		s.hidden--
	}
}

func cost(r record) int64 {
	n := int64(len(r)) + recordOverhead
	if r.expireAt() != 0 {
		n += deadlineOverhead
	}
	return n
}

// Clock returns the log's time in ms since the Unix epoch.
func (s *Store) Clock() int64 { return s.clock }

// Index returns the index of the last entry that Advance began.
func (s *Store) Index() uint64 { return s.index }

// Len returns the number of keys, those included that are due and not yet
// removed, but not those of hidden slots.
func (s *Store) Len() int { return s.len - s.hidden }

// Expiring returns about how many keys expire; those whose hashes collide and
// that expire at the same time count once.
func (s *Store) Expiring() int { return s.deadlines.Len() }

// SlotLen returns the number of keys in a slot, counted as by Len.
func (s *Store) SlotLen(slot uint16) int { return int(s.slotLen[slot]) }

// SlotLens copies the number of keys of every slot, counted as by SlotLen.
func (s *Store) SlotLens(to *[shard.Slots]int32) { *to = *s.slotLen }

// Bytes estimates the memory of the store.
func (s *Store) Bytes() int64 { return s.bytes }

func (s *Store) expired(r record) bool {
	at := r.expireAt()
	return at != 0 && at <= s.clock
}

// Get returns what key holds.
func (s *Store) Get(key []byte) (Item, bool) {
	slot, pos := position(key)
	r := s.trees[PartitionOf(slot)].get(pos).find(key)
	if r == "" || s.expired(r) {
		return Item{}, false
	}
	return r.item(), true
}

// Set makes key hold value until expireAt (ms since the Unix epoch, 0: for
// ever). Both slices are copied. A deadline that has passed deletes the key.
func (s *Store) Set(key, value []byte, expireAt int64) {
	if expireAt != 0 && expireAt <= s.clock {
		s.Delete(key)
		return
	}
	s.put(key, value, expireAt)
}

// put is Set for any deadline.
func (s *Store) put(key, value []byte, expireAt int64) {
	slot, pos := position(key)
	tree := s.trees[PartitionOf(slot)]
	r, before := tree.setRecord(pos, key, value, expireAt, s.index)
	old := before.find(key)
	var rest chain // the others of its position
	if len(before) > len(old) {
		rest = before.without(key)
		tree.set(pos, rest+chain(r))
	}
	if old != "" {
		s.uncount(slot, old)
		if at := old.expireAt(); at != 0 && at != expireAt {
			s.dropDeadline(at, pos, rest)
		}
	}
	s.count(slot, r)
	if expireAt != 0 {
		s.addDeadline(expireAt, pos)
	}
	if t := s.trails[slot]; t != nil {
		s.bytes += t.written(pos, r, old, rest)
	}
}

// Delete removes key and tells whether it was there.
func (s *Store) Delete(key []byte) bool {
	slot, pos := position(key)
	tree := s.trees[PartitionOf(slot)]
	c := tree.get(pos)
	r := c.find(key)
	if r == "" {
		return false
	}
	rest := c.without(key)
	tree.set(pos, rest)
	if at := r.expireAt(); at != 0 {
		s.dropDeadline(at, pos, rest)
	}
	s.forget(slot, pos, r, rest)
	return !s.expired(r)
}

// dropDeadline takes a deadline out of the index unless another record of the
// chain shares it.
func (s *Store) dropDeadline(at int64, pos uint64, rest chain) {
	if rest.expiresAt(at) {
		return
	}
	if s.lock != nil {
		s.lock.Lock()
		defer s.lock.Unlock()
	}
	s.deadlines.Delete(deadline{at, pos})
}

func (s *Store) addDeadline(at int64, pos uint64) {
	if s.lock != nil {
		s.lock.Lock()
		defer s.lock.Unlock()
	}
	s.deadlines.Set(deadline{at, pos})
}

// Version returns a number that changes whenever key does, for WATCH: it tells
// the last change of a key that is there, and the last deletion in the slot for
// one that is not. So a key that came and went meanwhile is noticed; another
// key's deletion may be taken for it, which only aborts a transaction needlessly.
// The slot's era stands in the upper bits: indexes of different groups, which a
// slot may pass through, are not to be compared.
func (s *Store) Version(key []byte) uint64 {
	slot, pos := position(key)
	r := s.trees[PartitionOf(slot)].get(pos).find(key)
	era := s.gates[slot].era << eraShift
	switch {
	case r == "":
		return era + s.deleted[slot]<<1
	case s.expired(r): // gone, but its removal is not counted as a deletion yet
		return era + max(s.deleted[slot], r.changed())<<1
	}
	return era + (r.changed()<<1 | 1)
}

// NextDeadline returns the earliest expiry among the keys that are physically
// there, be it due or not; false if no key expires.
func (s *Store) NextDeadline() (int64, bool) {
	d, ok := s.deadlines.Min()
	return d.at, ok
}

// DeleteSlots removes keys of the slots from..to until it has removed as many as
// keys or about as many bytes as bytes. It returns how many there were; 0 means
// that none is left.
func (s *Store) DeleteSlots(from, to uint16, keys int, bytes int64) int {
	var found [][]byte
	for slot := int(from); slot <= int(to) && len(found) < keys && bytes > 0; slot++ {
		if s.slotLen[slot] == 0 {
			continue
		}
		s.ascend(uint16(slot), func(r record) bool {
			found = append(found, bytesOf(r.key()))
			bytes -= cost(r)
			return len(found) < keys && bytes > 0
		})
	}
	for _, k := range found {
		s.Delete(k)
	}
	return len(found)
}

func (s *Store) ascend(slot uint16, fn func(record) bool) {
	s.trees[PartitionOf(slot)].ascendSlot(slot, fn)
}
