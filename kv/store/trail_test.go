package store

import (
	"bytes"
	"fmt"
	"maps"
	"testing"

	"pgregory.net/rapid"

	"raftkv/shard"
)

const migrationNumber = 7

// mover copies the slots of some keys from one store to another, as a migration
// does, while the first is written to and both let keys expire by clocks that
// differ.
type mover struct {
	source, target *Store
	model          *model // of the source
	keys           []string
	slots          []shard.Range
	through        uint64 // index up to which the target has it all
}

func newMover(keys []string) *mover {
	m := &mover{source: New(), target: New(), model: &model{items: map[string]Item{}}, keys: keys}
	for _, k := range keys {
		slot := shard.Slot([]byte(k))
		m.slots = append(m.slots, shard.Range{slot, slot})
	}
	m.slots = shard.Normalize(m.slots)
	m.advance(1000)
	m.target.Advance(1000, 1)
	for _, k := range keys[:len(keys)/2] {
		m.set(k, "before", 0)
	}
	m.source.Track(migrationNumber, m.slots, false)
	m.target.Track(migrationNumber, m.slots, true)
	for slot := range shard.Each(m.slots) {
		m.target.SetGate(slot, true, 0)
	}
	return m
}

func (m *mover) advance(clock int64) {
	index := m.model.index + 1
	m.model.advance(clock, index)
	m.source.Advance(clock, index)
}

func (m *mover) set(key, value string, expireAt int64) {
	m.source.Set([]byte(key), []byte(value), expireAt)
	if expireAt != 0 && expireAt <= m.model.clock {
		delete(m.model.items, key)
		return
	}
	m.model.items[key] = Item{Value: []byte(value), ExpireAt: expireAt, Changed: m.model.index}
}

// round brings the target up to what a view of the source shows, and checks that
// it does with nothing but what has changed.
func (m *mover) round(t *rapid.T, full bool) {
	view := m.source.Snapshot()
	_, cleared, digest := view.Trail(migrationNumber)
	m.target.Advance(0, m.target.Index()+1)
	since := m.through
	if cleared > since {
		for m.target.DeleteSlots(0, shard.Slots-1, 3, 1<<20) > 0 {
		}
		m.target.Forget(migrationNumber)
		since = cleared - 1
	}
	if full || m.through == 0 {
		for slot := range shard.Each(m.slots) {
			view.AscendGraves(slot, func(key []byte, _, _ uint64) bool {
				m.target.Uninstall(key)
				return true
			})
			view.AscendSlot(slot, func(key []byte, it Item) bool {
				m.target.Install(key, it.Value, it.ExpireAt)
				return true
			})
		}
	} else {
		last := since
		view.Changes(migrationNumber, since, func(slot uint16, key []byte, it Item, deleted bool) bool {
			if shard.Slot(key) != slot || !deleted && (it.Changed <= since || it.Changed < last) {
				t.Fatalf("a change of %q in slot %d at %d after %d, since %d", key, slot, it.Changed, last, since)
			}
			if deleted {
				m.target.Uninstall(key)
				return true
			}
			last = it.Changed
			m.target.Install(key, it.Value, it.ExpireAt)
			return true
		})
	}
	m.through = view.Index()
	if got := m.target.Digest(migrationNumber); got != digest {
		t.Fatalf("the digest is %x after a round, the source's %x", got, digest)
	}
	if got := m.source.Digest(migrationNumber); got != digest {
		t.Fatalf("the digest of the source is %x, its view's %x", got, digest)
	}
}

// reload goes on with a store rebuilt from a view, trail included.
func reload(t *rapid.T, s *Store, slots []shard.Range, mirror bool) *Store {
	view := s.Snapshot()
	base, cleared := s.Trail(migrationNumber)
	l := NewLoader(view.Clock(), view.Index())
	l.Track(migrationNumber, slots, mirror, base, cleared)
	if err := load(l, view); err != nil {
		t.Fatal(err)
	}
	for slot := range shard.Each(slots) {
		part := l.Partition(PartitionOf(slot))
		view.AscendGraves(slot, func(key []byte, index, digest uint64) bool {
			if err := part.Grave(key, index, digest); err != nil {
				t.Fatal(err)
			}
			return true
		})
	}
	out := l.Done()
	for slot := range shard.Each(slots) {
		out.SetGate(slot, mirror, 0)
	}
	if out.Bytes() != s.Bytes() || out.Len() != s.Len() || out.Digest(migrationNumber) != s.Digest(migrationNumber) || !maps.Equal(listed(out), listed(s)) {
		t.Fatalf("rebuilt: %d bytes, %d keys, digest %x, changes %v; want %d, %d, %x, %v",
			out.Bytes(), out.Len(), out.Digest(migrationNumber), listed(out), s.Bytes(), s.Len(), s.Digest(migrationNumber), listed(s))
	}
	return out
}

// listed is all that Changes lists since the trail began.
func listed(s *Store) map[string]string {
	out := map[string]string{}
	base, cleared := s.Trail(migrationNumber)
	s.Snapshot().Changes(migrationNumber, max(base, cleared), func(_ uint16, key []byte, it Item, deleted bool) bool {
		out[string(key)] += fmt.Sprint(it, deleted)
		return true
	})
	return out
}

func TestRoundsOfChanges(t *testing.T) {
	for _, keys := range [][]string{modelKeys(), modelKeys()[4:7]} {
		rapid.Check(t, func(rt *rapid.T) { moveThem(rt, keys) })
	}
}

func moveThem(t *rapid.T, keys []string) {
	m := newMover(keys)
	key := rapid.SampledFrom(keys)
	t.Repeat(map[string]func(*rapid.T){
		"": func(t *rapid.T) {
			for k := range listed(m.source) {
				if it, there := m.source.Get([]byte(k)); there != (m.model.items[k].Changed != 0) || !sameItem(it, m.model.items[k]) {
					t.Fatalf("%q is %v, want %v", k, it, m.model.items[k])
				}
			}
			// The index of changes has no entry without a change.
			seen := map[change]bool{}
			m.source.Snapshot().Changes(migrationNumber, 0, func(_ uint16, key []byte, it Item, deleted bool) bool {
				_, pos := position(key)
				if graves := m.source.trail(migrationNumber).graves.get(pos); deleted {
					it.Changed = graves.find(key).changed()
				}
				seen[change{it.Changed, pos}] = true
				return true
			})
			if n := m.source.trail(migrationNumber).changes.Len(); n != len(seen) {
				t.Fatalf("%d changes are indexed, %d are listed", n, len(seen))
			}
			if n := m.target.Len(); n != 0 {
				t.Fatalf("%d keys of the target are not hidden", n)
			}
		},
		"Advance": func(t *rapid.T) { m.advance(m.model.clock + rapid.Int64Range(0, 20).Draw(t, "ms")) },
		"Later": func(t *rapid.T) {
			m.target.Advance(m.model.clock+rapid.Int64Range(-20, 60).Draw(t, "skew"), m.target.Index()+1)
		},
		"Set": func(t *rapid.T) {
			expireAt := rapid.SampledFrom([]int64{0, 0, -1, 10, 10, 40}).Draw(t, "in")
			if expireAt != 0 {
				expireAt += m.model.clock
			}
			m.set(key.Draw(t, "key"), rapid.StringN(0, 2, -1).Draw(t, "value"), expireAt)
		},
		"Delete": func(t *rapid.T) {
			k := key.Draw(t, "key")
			m.source.Delete([]byte(k))
			delete(m.model.items, k)
		},
		"Clear": func(t *rapid.T) {
			if rapid.IntRange(0, 3).Draw(t, "rarely") == 0 {
				m.source.Clear()
				clear(m.model.items)
			}
		},
		"Round": func(t *rapid.T) { m.round(t, false); m.advance(0) },
		"Again": func(t *rapid.T) { m.round(t, true); m.advance(0) },
		"Reload source": func(t *rapid.T) {
			m.source = reload(t, m.source, m.slots, false)
		},
		"Reload target": func(t *rapid.T) {
			m.target = reload(t, m.target, m.slots, true)
		},
	})
	// The last round, with the clock: what the target serves is what the source had.
	m.round(t, false)
	m.target.Advance(m.source.Clock(), m.target.Index()+1)
	m.target.Untrack(migrationNumber)
	for slot := range shard.Each(m.slots) {
		m.target.SetGate(slot, false, migrationNumber)
	}
	m.model.advance(m.target.Clock(), 0)
	if m.target.Len() != len(m.model.items) || m.target.Bytes() != m.model.bytes() {
		t.Fatalf("%d keys, %d bytes; want %d, %d", m.target.Len(), m.target.Bytes(), len(m.model.items), m.model.bytes())
	}
	for k, want := range m.model.items {
		if it, _ := m.target.Get([]byte(k)); !bytes.Equal(it.Value, want.Value) || it.ExpireAt != want.ExpireAt {
			t.Fatalf("%q is %v, want %v", k, it, want)
		}
	}
}

// Clients see nothing of hidden slots, and clearing leaves them alone.
func TestHiddenSlots(t *testing.T) {
	s := New()
	s.Advance(1000, 1)
	for i := range 1000 {
		s.Set(numbered(i), []byte("v"), int64(i%2)*int64(2000+i))
	}
	hidden := 0
	for slot := range uint16(shard.Slots / 2) {
		s.SetGate(slot, true, 0)
		hidden += s.SlotLen(slot)
	}
	if hidden == 0 || hidden == 1000 || s.Len() != 1000-hidden {
		t.Fatalf("%d keys, %d hidden", s.Len(), hidden)
	}
	scanned := 0
	for cursor, more := uint64(0), true; more; more = cursor != 0 {
		cursor = s.Scan(cursor, 10, func(key []byte, _ Item) {
			scanned++
			if shard.Slot(key) < shard.Slots/2 {
				t.Fatalf("%q is hidden and scanned", key)
			}
		})
	}
	if scanned != s.Len() {
		t.Errorf("%d keys scanned of %d", scanned, s.Len())
	}
	deadlines := s.Expiring()
	s.Clear()
	if s.Len() != 0 {
		t.Errorf("%d keys are left", s.Len())
	}
	for slot := range uint16(shard.Slots / 2) {
		s.SetGate(slot, false, 0)
	}
	if s.Len() != hidden || s.Expiring() == 0 || s.Expiring() >= deadlines {
		t.Errorf("%d keys came back with %d deadlines, want %d", s.Len(), s.Expiring(), hidden)
	}
	s.Advance(10_000, 2)
	for i := range 1000 {
		it, found := s.Get(numbered(i))
		if want := shard.Slot(numbered(i)) < shard.Slots/2 && i%2 == 0; found != want {
			t.Fatalf("key %d: %v, %v", i, it, found)
		}
	}
	if s.Expiring() != 0 {
		t.Errorf("%d deadlines are left", s.Expiring())
	}
}

// Versions of a slot's different times in a group do not meet, whatever the
// indexes of the groups.
func TestVersionsOfEras(t *testing.T) {
	a, b := New(), New()
	key := []byte("k")
	for _, s := range []*Store{a, b} {
		s.Advance(1, 5)
		s.Set(key, nil, 0)
	}
	b.SetGate(shard.Slot(key), false, 9)
	if a.Version(key) == b.Version(key) {
		t.Error("another group's record has the same version")
	}
	absent := []byte("absent")
	before := a.Version(absent)
	a.SetGate(shard.Slot(absent), true, 0)
	a.SetGate(shard.Slot(absent), false, 9)
	if a.Version(absent) == before {
		t.Error("the version of an absent key outlives its slot's absence")
	}
}
