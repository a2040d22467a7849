package store

import (
	"math/rand/v2"

	"raftkv/shard"
)

// Scan calls fn for about count keys from cursor on, 0 for the beginning, and
// returns the cursor to go on with, 0 at the end. A key that is there during
// the whole of a scan is returned, whatever else changes: cursors are positions
// in the order of keys, not states. Cursors lie below 2^63. Hidden slots are
// passed over.
func (s *Store) Scan(cursor uint64, count int, fn func(key []byte, it Item)) (next uint64) {
	slot := cursor >> hashBits
	if slot >= shard.Slots {
		return 0
	}
	seen := 0
	for p := PartitionOf(uint16(slot)); p < Partitions; p++ {
		var last uint64
		full := false
		s.trees[p].ascend(cursor, func(pos uint64, c chain) bool {
			if full {
				return false
			}
			// All keys of a position go out together: the next cursor is behind it.
			hidden := s.gates[pos>>hashBits].hidden
			for r := range c.each {
				if !hidden && !s.expired(r) {
					fn(bytesOf(r.key()), r.item())
				}
				seen++
			}
			last = pos
			full = seen >= count
			return true
		})
		if full {
			return last + 1
		}
	}
	return 0
}

// AscendSlot calls fn for the keys of a slot in order until it returns false.
func (s *Store) AscendSlot(slot uint16, fn func(key []byte, it Item) bool) {
	s.ascend(slot, func(r record) bool {
		return s.expired(r) || fn(bytesOf(r.key()), r.item())
	})
}

// Random returns some key of the slots that are not hidden, all nearly alike
// likely; false if none is left.
func (s *Store) Random(rnd *rand.Rand) ([]byte, bool) {
	for range 100 {
		if s.Len() == 0 {
			return nil, false
		}
		n := rnd.IntN(s.len)
		for _, tree := range s.trees {
			if n >= tree.len() {
				n -= tree.len()
				continue
			}
			pos, c := tree.getAt(n)
			for r := range c.each {
				if !s.expired(r) && !s.gates[pos>>hashBits].hidden {
					return bytesOf(r.key()), true
				}
			}
			break
		}
	}
	// Nearly all keys are due: take the first that is not.
	var found []byte
	for cursor, more := uint64(0), true; more && found == nil; more = cursor != 0 {
		cursor = s.Scan(cursor, 1, func(key []byte, _ Item) { found = key })
	}
	return found, found != nil
}

// Cursor returns the cursor at which a scan reaches key.
func Cursor(key []byte) uint64 {
	_, pos := position(key)
	return pos
}

// Cost estimates the memory that key takes with what it holds, in bytes.
func Cost(key []byte, it Item) int64 {
	n := int64(recordHeader+len(key)+len(it.Value)) + recordOverhead
	if it.ExpireAt != 0 {
		n += deadlineOverhead
	}
	return n
}
