package store

import "encoding/binary"

// trail returns the trail of a migration, or nil.
func (v *View) trail(number uint64) *trail {
	for _, t := range v.migrations {
		if t.number == number {
			return t
		}
	}
	return nil
}

// Trail tells what Store.Trail does, and what Store.Digest does.
func (v *View) Trail(number uint64) (base, cleared, digest uint64) {
	if t := v.trail(number); t != nil {
		return t.base, t.cleared, t.digest
	}
	return 0, 0, 0
}

// Changes calls fn for the keys of a migration's slots that were changed or
// deleted (then it is the zero Item) after index since, which must not lie
// before the trail began nor before it was last cleared. Order is that of the
// changes. It looks at nothing else, and stops when fn returns false.
func (v *View) Changes(number, since uint64, fn func(slot uint16, key []byte, it Item, deleted bool) bool) {
	t := v.trail(number)
	if t == nil {
		return
	}
	t.changes.Ascend(change{index: since + 1}, func(c change) bool {
		slot := uint16(c.position >> hashBits)
		for r := range v.trees[PartitionOf(slot)].get(c.position).each {
			if r.changed() == c.index && !fn(slot, bytesOf(r.key()), r.item(), false) {
				return false
			}
		}
		for g := range t.graves.get(c.position).each {
			if g.changed() == c.index && !fn(slot, bytesOf(g.key()), Item{}, true) {
				return false
			}
		}
		return true
	})
}

// AscendGraves calls fn for the deleted keys that are remembered of a slot, with
// the index of the deletion and the digest of what was there, until it returns
// false.
func (v *View) AscendGraves(slot uint16, fn func(key []byte, index, digest uint64) bool) {
	for _, t := range v.migrations {
		if t.graves.len() == 0 {
			continue
		}
		t.graves.ascendSlot(slot, func(g record) bool {
			return fn(bytesOf(g.key()), g.changed(), binary.LittleEndian.Uint64(g.item().Value))
		})
	}
}
