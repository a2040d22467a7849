package store

import "raftkv/shard"

// View is the state of a store at one moment. It never changes and may be read
// from any goroutine beside writes to the store.
type View struct {
	trees   [Partitions]*tree
	slotLen [shard.Slots]int32
	deleted [shard.Slots]uint64
	clock   int64
	index   uint64
	len     int

	migrations []*trail
}

// Snapshot returns a view of s as it is. It takes microseconds at any size: the
// trees are shared and copied page by page as s goes on changing.
func (s *Store) Snapshot() *View {
	v := &View{slotLen: *s.slotLen, deleted: *s.deleted, clock: s.clock, index: s.index, len: s.len}
	for i, tree := range s.trees {
		v.trees[i] = tree.copy()
	}
	for _, t := range s.migrations {
		c := t.copy()
		c.digest = s.Digest(t.number)
		v.migrations = append(v.migrations, c)
	}
	return v
}

// Clock returns the log's time in ms at the view.
func (v *View) Clock() int64 { return v.clock }

// Index returns the index of the last entry in the view.
func (v *View) Index() uint64 { return v.index }

// Len returns the number of keys in the view, those of hidden slots included.
func (v *View) Len() int { return v.len }

// SlotLen returns the number of keys in a slot.
func (v *View) SlotLen(slot uint16) int { return int(v.slotLen[slot]) }

// Deleted returns the index of the last deletion in a slot, 0 for none.
func (v *View) Deleted(slot uint16) uint64 { return v.deleted[slot] }

// AscendSlot calls fn for every key of a slot in order, those included that are
// due, until it returns false.
func (v *View) AscendSlot(slot uint16, fn func(key []byte, it Item) bool) {
	v.trees[PartitionOf(slot)].ascendSlot(slot, func(r record) bool {
		return fn(bytesOf(r.key()), r.item())
	})
}
