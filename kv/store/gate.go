package store

import "raftkv/shard"

// gate is what the store is told about the ownership of a slot.
type gate struct {
	hidden bool
	era    uint64
}

// eraShift leaves 47 bits for an index in a version.
const eraShift = 48

// SetGate tells whether clients may see a slot, and since when the group owns it:
// era is different whenever the slot comes from another group. A hidden slot's keys are
// here and may be read and changed by their names; Len, Scan, Random and Clear pass
// them over.
func (s *Store) SetGate(slot uint16, hidden bool, era uint64) {
	g := &s.gates[slot]
	if g.hidden != hidden {
		if n := int(s.slotLen[slot]); hidden {
			s.hidden += n
		} else {
			s.hidden -= n
		}
	}
	*g = gate{hidden, era}
}

// Clear removes all keys but those of hidden slots. It takes no time for each
// key that goes, and some for each that stays.
func (s *Store) Clear() {
	old := s.trees
	for i := range s.trees {
		s.trees[i] = newTree()
	}
	s.deadlines = newDeadlines()
	s.len, s.hidden, s.bytes = 0, 0, 0
	for slot := range uint16(shard.Slots) {
		stays := s.gates[slot].hidden
		if stays && s.slotLen[slot] > 0 {
			s.keep(slot, old[PartitionOf(slot)])
		}
		if !stays {
			s.slotLen[slot], s.digest[slot], s.deleted[slot] = 0, 0, s.index
		}
	}
	for _, t := range s.migrations {
		if !s.gates[t.slots[0].From()].hidden { // all its slots are in the same state
			t.clear(s.index)
		}
		s.bytes += t.bytes
	}
}

// keep takes a slot over from the tree that is given up.
func (s *Store) keep(slot uint16, old *tree) {
	to := s.trees[PartitionOf(slot)]
	old.ascend(uint64(slot)<<hashBits, func(pos uint64, c chain) bool {
		if uint16(pos>>hashBits) != slot {
			return false
		}
		to.set(pos, c)
		for r := range c.each {
			s.len++
			s.hidden++
			s.bytes += cost(r)
			if at := r.expireAt(); at != 0 {
				s.deadlines.Set(deadline{at, pos})
			}
		}
		return true
	})
}
