package store

import (
	"encoding/binary"
	"slices"

	"github.com/tidwall/btree"

	"raftkv/shard"
)

// A trail remembers, while slots migrate, what cannot be seen in their keys.
//
// Of slots that go to another group, it holds the deletions and an index of all
// changes since it began, so that the changes since any moment can be listed
// without looking at what has not changed.
//
// Of slots that come from another group (a mirror), it holds the keys that this
// group's clock has let expire: the other group may not have, so they still
// count as its content, until it says otherwise.
type trail struct {
	number uint64 // the migration's
	slots  []shard.Range
	mirror bool
	// base is the index at which the trail began, and cleared that of the last
	// Clear since: all keys that were there before it have gone.
	base, cleared uint64

	// graves are records, by position, of what has gone: changed is the index of
	// the deletion, and the value is the digest of the record that was there.
	graves  *tree
	changes *btree.BTreeG[change] // not in a mirror
	ghosts  uint64                // sum of the digests in the graves of a mirror
	bytes   int64                 // of the graves

	digest uint64 // in a view: of the slots' content
}

// change says that a record or a grave at a position was last changed at index.
type change struct {
	index, position uint64
}

func (c change) before(d change) bool {
	return c.index < d.index || c.index == d.index && c.position < d.position
}

func newTrail(number uint64, slots []shard.Range, mirror bool, base, cleared uint64) *trail {
	t := &trail{number: number, slots: slots, mirror: mirror, base: base}
	t.clear(cleared)
	return t
}

// clear forgets all deletions: one at index stands for them.
func (t *trail) clear(index uint64) {
	t.cleared = index
	t.graves = newTree()
	t.changes = btree.NewBTreeGOptions(change.before, btree.Options{NoLocks: true})
	t.ghosts, t.bytes = 0, 0
}

// copy returns the trail as it is now, for reading. It costs O(1).
func (t *trail) copy() *trail {
	c := *t
	c.graves, c.changes = t.graves.copy(), t.changes.Copy()
	return &c
}

// written notes that r has replaced old ("" if there was none), beside the rest
// of its position. It returns by how many bytes the graves have grown.
func (t *trail) written(pos uint64, r, old record, rest chain) (grown int64) {
	before := int64(-1)
	if g, graves := t.exhume(pos, []byte(r.key())); g != "" {
		t.refile(pos, g.changed(), rest, graves)
		grown -= cost(g)
	} else if old != "" {
		before = int64(old.changed())
	}
	if before >= 0 {
		t.refile(pos, uint64(before), rest, t.graves.get(pos))
	}
	if !t.mirror {
		t.changes.Set(change{r.changed(), pos})
	}
	return grown
}

// deleted notes that r has gone at index, beside the rest of its position.
func (t *trail) deleted(pos uint64, r record, rest chain, index uint64) (grown int64) {
	key := []byte(r.key())
	digest := r.digest()
	g := newRecord(key, binary.LittleEndian.AppendUint64(nil, digest), 0, index)
	graves := t.graves.get(pos)
	t.bury(pos, graves, g)
	if !t.mirror {
		t.refile(pos, r.changed(), rest, graves)
		t.changes.Set(change{index, pos})
	}
	return cost(g)
}

// bury adds a grave to those of its position.
func (t *trail) bury(pos uint64, graves chain, g record) {
	t.graves.set(pos, graves+chain(g))
	t.bytes += cost(g)
	if t.mirror {
		t.ghosts += digestIn(g)
	}
}

// exhume removes the grave of key and returns it, "" for none, and the others
// of its position.
func (t *trail) exhume(pos uint64, key []byte) (g record, rest chain) {
	graves := t.graves.get(pos)
	g = graves.find(key)
	if g == "" {
		return "", graves
	}
	rest = graves.without(key)
	t.graves.set(pos, rest)
	t.bytes -= cost(g)
	if t.mirror {
		t.ghosts -= digestIn(g)
	}
	return g, rest
}

// refile drops a change unless another record or grave of its position shares it.
func (t *trail) refile(pos, index uint64, rest, graves chain) {
	if !t.mirror && !rest.changedAt(index) && !graves.changedAt(index) {
		t.changes.Delete(change{index, pos})
	}
}

func digestIn(grave record) uint64 { return binary.LittleEndian.Uint64(grave.item().Value) }

// Track begins a trail for the slots of a migration, which must have none yet:
// from now on the store remembers what Changes lists, or, for a mirror, what
// Digest counts though it has expired. slots must not change afterwards.
func (s *Store) Track(number uint64, slots []shard.Range, mirror bool) {
	s.follow(newTrail(number, slots, mirror, s.index, 0))
}

func (s *Store) follow(t *trail) {
	if s.trails == nil {
		s.trails = make(map[uint16]*trail)
	}
	for slot := range shard.Each(t.slots) {
		s.trails[slot] = t
	}
	s.migrations = append(s.migrations, t)
}

// Untrack forgets the trail of a migration.
func (s *Store) Untrack(number uint64) {
	t := s.trail(number)
	if t == nil {
		return
	}
	s.bytes -= t.bytes
	for slot := range shard.Each(t.slots) {
		delete(s.trails, slot)
	}
	s.migrations = slices.DeleteFunc(s.migrations, func(o *trail) bool { return o == t })
}

// trail returns the trail of a migration, or nil.
func (s *Store) trail(number uint64) *trail {
	for _, t := range s.migrations {
		if t.number == number {
			return t
		}
	}
	return nil
}

// Trail tells when the trail of a migration began and when all its keys were
// last cleared: what Loader.Track needs to go on with it.
func (s *Store) Trail(number uint64) (base, cleared uint64) {
	if t := s.trail(number); t != nil {
		return t.base, t.cleared
	}
	return 0, 0
}
