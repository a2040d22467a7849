package fsm

import "raftkv/shard"

// slotSet is a set of slots.
type slotSet [shard.Slots / 64]uint64

func (s *slotSet) has(slot uint16) bool { return s[slot/64]&(1<<(slot%64)) != 0 }

func (s *slotSet) add(slot uint16) { s[slot/64] |= 1 << (slot % 64) }

// ranges lists the set in order.
func (s *slotSet) ranges() []shard.Range {
	var out []shard.Range
	for slot := range uint16(shard.Slots) {
		if !s.has(slot) {
			continue
		}
		if n := len(out); n > 0 && out[n-1].To()+1 == slot {
			out[n-1][1] = slot
			continue
		}
		out = append(out, shard.Range{slot, slot})
	}
	return out
}
