package store

import (
	"bytes"
	"maps"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"raftkv/shard"
)

// model is what a store should be: a map, and a clock.
type model struct {
	items map[string]Item
	clock int64
	index uint64
}

func (m *model) clone() *model {
	return &model{items: maps.Clone(m.items), clock: m.clock, index: m.index}
}

func (m *model) advance(clock int64, index uint64) {
	m.clock, m.index = max(m.clock, clock), index
	maps.DeleteFunc(m.items, func(_ string, it Item) bool { return it.ExpireAt != 0 && it.ExpireAt <= m.clock })
}

func (m *model) bytes() (n int64) {
	for key, it := range m.items {
		n += Cost([]byte(key), it)
	}
	return n
}

// deadlines returns the earliest expiry, 0 for none, and how many pairs of
// expiry and position there are.
func (m *model) deadlines() (first int64, count int) {
	seen := map[deadline]bool{}
	for key, it := range m.items {
		if it.ExpireAt == 0 {
			continue
		}
		seen[deadline{it.ExpireAt, Cursor([]byte(key))}] = true
		if first == 0 || it.ExpireAt < first {
			first = it.ExpireAt
		}
	}
	return first, len(seen)
}

// modelKeys are few, so that they meet often: chains of several keys with one
// hash, the first and the last position of all, and plain keys.
func modelKeys() []string {
	keys := []string{"", "a", "b", "{b}1"}
	for _, at := range []struct {
		slot   uint16
		hash   uint64
		number uint64
	}{
		{100, 1 << 40, 3}, {100, 1<<40 + 1<<16, 2}, {100, math.MaxUint64, 2}, {101, 0, 2}, {0, 0, 2}, {shard.Slots - 1, math.MaxUint64, 2},
	} {
		tag := tagOf(at.slot)
		for salt := range at.number {
			keys = append(keys, string(collidingKey(tag, salt, at.hash)))
		}
	}
	return keys
}

// machine runs a store and its model side by side.
type machine struct {
	store *Store
	model *model
	keys  []string

	// versions holds, for each key, what Version told at the ends of entries, and
	// the number of the key's changes then.
	versions map[string]map[uint64]int
	changes  map[string]int

	views []frozen

	// A scan that goes on between the other actions: keys that were there all the
	// time, and keys that it returned.
	scanning bool
	cursor   uint64
	steady   map[string]bool
	returned map[string]bool
}

// frozen is a view with the state that it must show for ever.
type frozen struct {
	view  *View
	model *model
}

func newMachine(keys []string) *machine {
	m := &machine{store: New(), model: &model{items: map[string]Item{}}, keys: keys, versions: map[string]map[uint64]int{}, changes: map[string]int{}}
	for _, k := range keys {
		m.versions[k] = map[uint64]int{}
	}
	m.advance(1000)
	return m
}

func (m *machine) key(t *rapid.T) string { return rapid.SampledFrom(m.keys).Draw(t, "key") }

// changed notes that key changed; it went away if it is not in the model now.
func (m *machine) changed(key string) {
	m.changes[key]++
	if _, there := m.model.items[key]; !there {
		delete(m.steady, key)
	}
}

// advance ends an entry, which is when WATCH may look, and begins the next.
func (m *machine) advance(clock int64) {
	for _, k := range m.keys {
		m.versions[k][m.store.Version([]byte(k))] = m.changes[k]
	}
	before := m.model.clone()
	index := m.model.index + 1
	m.model.advance(clock, index)
	m.store.Advance(clock, index)
	for k := range before.items {
		if _, there := m.model.items[k]; !there {
			m.changed(k)
		}
	}
}

func (m *machine) Advance(t *rapid.T) {
	m.advance(m.model.clock + rapid.SampledFrom([]int64{-5, 0, 1, 10, 30}).Draw(t, "ms"))
}

func (m *machine) Set(t *rapid.T) {
	key := m.key(t)
	value := rapid.SliceOfN(rapid.Byte(), 0, 3).Draw(t, "value")
	expireAt := int64(0)
	if rapid.Bool().Draw(t, "expires") {
		expireAt = m.model.clock + rapid.SampledFrom([]int64{-1, 0, 1, 10, 11, 40}).Draw(t, "in")
	}
	keyBytes, valueBytes := []byte(key), bytes.Clone(value)
	m.store.Set(keyBytes, valueBytes, expireAt)
	for _, b := range [][]byte{keyBytes, valueBytes} {
		for i := range b {
			b[i] ^= 0xff // the store must have copied
		}
	}
	_, was := m.model.items[key]
	if expireAt != 0 && expireAt <= m.model.clock {
		delete(m.model.items, key)
		if !was {
			return
		}
	} else {
		m.model.items[key] = Item{Value: value, ExpireAt: expireAt, Changed: m.model.index}
	}
	m.changed(key)
}

func (m *machine) Delete(t *rapid.T) {
	key := m.key(t)
	_, was := m.model.items[key]
	delete(m.model.items, key)
	if got := m.store.Delete([]byte(key)); got != was {
		t.Fatalf("Delete(%q) = %v", key, got)
	}
	if was {
		m.changed(key)
	}
}

func (m *machine) DeleteSlots(t *rapid.T) {
	slot := shard.Slot([]byte(m.key(t)))
	from, to := slot, slot
	if rapid.IntRange(0, 2).Draw(t, "rarely") > 0 {
		return
	}
	if rapid.Bool().Draw(t, "many") {
		from, to = slot-min(slot, 100), min(slot, shard.Slots-101)+100
	}
	var gone []string
	for key := range m.model.items {
		if s := shard.Slot([]byte(key)); from <= s && s <= to {
			gone = append(gone, key)
		}
	}
	if got := m.store.DeleteSlots(from, to, math.MaxInt, math.MaxInt64); got != len(gone) {
		t.Fatalf("DeleteSlots(%d, %d) = %d, want %d", from, to, got, len(gone))
	}
	for _, key := range gone {
		delete(m.model.items, key)
		m.changed(key)
	}
}

func (m *machine) Clear(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "rarely") > 0 {
		return
	}
	gone := slices.Collect(maps.Keys(m.model.items))
	m.store.Clear()
	clear(m.model.items)
	for _, key := range gone {
		m.changed(key)
	}
	if m.store.Bytes() != 0 || m.store.Len() != 0 {
		t.Fatalf("after Clear: %d bytes, %d keys", m.store.Bytes(), m.store.Len())
	}
}

// Scan goes a step on in a scan, or begins one.
func (m *machine) Scan(t *rapid.T) {
	if !m.scanning {
		m.scanning, m.cursor = true, 0
		m.steady, m.returned = map[string]bool{}, map[string]bool{}
		for key := range m.model.items {
			m.steady[key] = true
		}
	}
	m.cursor = m.store.Scan(m.cursor, rapid.IntRange(0, 5).Draw(t, "count"), func(key []byte, it Item) {
		if want, there := m.model.items[string(key)]; !there || !sameItem(it, want) {
			t.Fatalf("Scan returned %q = %v, want %v, %v", key, it, want, there)
		}
		m.returned[string(key)] = true
	})
	if m.cursor >= 1<<63 {
		t.Fatalf("cursor %d", m.cursor)
	}
	if m.cursor != 0 {
		return
	}
	m.scanning = false
	for key := range m.steady {
		if !m.returned[key] {
			t.Fatalf("the scan missed %q, which was there all the time", key)
		}
	}
}

func (m *machine) View(t *rapid.T) {
	m.views = append(m.views, frozen{m.store.Snapshot(), m.model.clone()})
	m.views = m.views[max(0, len(m.views)-3):]
}

// Reload goes on with a store that was rebuilt from a view of this one.
func (m *machine) Reload(t *rapid.T) {
	view := m.store.Snapshot()
	loader := NewLoader(view.Clock(), view.Index())
	if err := load(loader, view); err != nil {
		t.Fatal(err)
	}
	rebuilt := loader.Done()
	for _, key := range m.keys {
		if got, want := rebuilt.Version([]byte(key)), m.store.Version([]byte(key)); got != want {
			t.Fatalf("Version(%q) is %d in the rebuilt store, %d before", key, got, want)
		}
	}
	m.store = rebuilt
}

// Check compares all that can be seen with the model.
func (m *machine) Check(t *rapid.T) {
	for _, key := range m.keys {
		got, found := m.store.Get([]byte(key))
		want, there := m.model.items[key]
		if found != there || !sameItem(got, want) {
			t.Fatalf("Get(%q) = %v, %v; want %v, %v", key, got, found, want, there)
		}
		version := m.store.Version([]byte(key))
		if changes, seen := m.versions[key][version]; seen && changes != m.changes[key] {
			t.Fatalf("Version(%q) is %d again after %d changes", key, version, m.changes[key]-changes)
		}
	}
	s := m.store
	first, deadlines := m.model.deadlines()
	gotFirst, any := s.NextDeadline()
	if gotFirst != first || any != (first != 0) || s.Expiring() != deadlines {
		t.Fatalf("NextDeadline = %d, %v, Expiring = %d; want %d, %d", gotFirst, any, s.Expiring(), first, deadlines)
	}
	if s.Len() != len(m.model.items) || s.Bytes() != m.model.bytes() || s.Clock() != m.model.clock || s.Index() != m.model.index {
		t.Fatalf("Len %d, Bytes %d, Clock %d, Index %d; want %d, %d, %d, %d", s.Len(), s.Bytes(), s.Clock(), s.Index(),
			len(m.model.items), m.model.bytes(), m.model.clock, m.model.index)
	}
	checkSlots(t, m.keys, m.model, s)
	for _, v := range m.views {
		checkSlots(t, m.keys, v.model, v.view)
		if v.view.Len() != len(v.model.items) || v.view.Clock() != v.model.clock || v.view.Index() != v.model.index {
			t.Fatalf("a view became %d keys, clock %d, index %d", v.view.Len(), v.view.Clock(), v.view.Index())
		}
	}
}

// slots is what a Store and a View have in common.
type slots interface {
	SlotLen(slot uint16) int
	AscendSlot(slot uint16, fn func(key []byte, it Item) bool)
}

// checkSlots compares the slots of keys with the model, key by key and in order.
func checkSlots(t rapid.TB, keys []string, want *model, got slots) {
	t.Helper()
	numbers := map[uint16]int{}
	for _, key := range keys {
		numbers[shard.Slot([]byte(key))] += 0
	}
	for key := range want.items {
		numbers[shard.Slot([]byte(key))]++
	}
	for slot, number := range numbers {
		seen, last := map[string]bool{}, uint64(0)
		got.AscendSlot(slot, func(key []byte, it Item) bool {
			if item, there := want.items[string(key)]; !there || !sameItem(it, item) || seen[string(key)] || Cursor(key) < last {
				t.Fatalf("slot %d yields %q = %v; want %v, %v", slot, key, it, item, there)
			}
			seen[string(key)], last = true, Cursor(key)
			return true
		})
		if len(seen) != number || got.SlotLen(slot) != number {
			t.Fatalf("slot %d yields %d keys, SlotLen %d; want %d", slot, len(seen), got.SlotLen(slot), number)
		}
	}
}

func sameItem(a, b Item) bool {
	return bytes.Equal(a.Value, b.Value) && a.ExpireAt == b.ExpireAt && a.Changed == b.Changed
}

func TestStoreIsAMap(t *testing.T) { checkStore(t, modelKeys()) }

// Few keys, all of one hash: they share deadlines and are replaced beside each
// other all the time.
func TestChainIsAMap(t *testing.T) {
	tag := tagOf(100)
	var keys []string
	for salt := range uint64(3) {
		keys = append(keys, string(collidingKey(tag, salt, 1<<40)))
	}
	checkStore(t, keys)
}

func checkStore(t *testing.T, keys []string) {
	rapid.Check(t, func(rt *rapid.T) {
		m := newMachine(keys)
		rt.Repeat(map[string]func(*rapid.T){
			"":            m.Check,
			"Advance":     m.Advance,
			"Advance2":    m.Advance, // twice as likely
			"Set":         m.Set,
			"Set2":        m.Set,
			"Set3":        m.Set,
			"Delete":      m.Delete,
			"DeleteSlots": m.DeleteSlots,
			"Clear":       m.Clear,
			"Scan":        m.Scan,
			"Scan2":       m.Scan,
			"View":        m.View,
			"Reload":      m.Reload,
		})
		for _, key := range keys {
			m.store.Delete([]byte(key))
		}
		if m.store.Len() != 0 || m.store.Bytes() != 0 || m.store.Expiring() != 0 {
			rt.Fatalf("empty, and yet %d keys, %d bytes, %d deadlines", m.store.Len(), m.store.Bytes(), m.store.Expiring())
		}
	})
}
