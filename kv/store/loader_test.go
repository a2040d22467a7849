package store

import (
	"strconv"
	"testing"

	"golang.org/x/sync/errgroup"

	"raftkv/shard"
)

// load fills a loader from a view, all partitions at once, as a restore does.
func load(l *Loader, v *View) error {
	var group errgroup.Group
	group.SetLimit(4)
	for n := range Partitions {
		group.Go(func() error {
			part := l.Partition(n)
			for slot := n * shard.Slots / Partitions; slot < (n+1)*shard.Slots/Partitions; slot++ {
				if err := part.Slot(uint16(slot), v.Deleted(uint16(slot))); err != nil {
					return err
				}
				var err error
				v.AscendSlot(uint16(slot), func(key []byte, it Item) bool {
					err = part.Add(key, it.Value, it.ExpireAt, it.Changed)
					return err == nil
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

func TestLoaderRebuildsALargeStore(t *testing.T) {
	s := New()
	for i := range 20_000 {
		s.Advance(1000, uint64(i+1))
		key := strconv.AppendInt([]byte("key:"), int64(i), 10)
		s.Set(key, key, int64(i%3)*int64(100_000+i%500))
		if i%7 == 0 {
			s.Delete(key)
		}
	}
	// A view may hold keys that are due: more than one entry removes.
	s.Advance(300_000, 20_001)
	if due, any := s.NextDeadline(); !any || due > s.Clock() {
		t.Fatal("no key is left that is due: the test shows nothing")
	}
	v := s.Snapshot()
	l := NewLoader(v.Clock(), v.Index())
	if err := load(l, v); err != nil {
		t.Fatal(err)
	}
	got := l.Done()
	for entry := uint64(20_002); ; entry++ {
		if got.Len() != s.Len() || got.Bytes() != s.Bytes() || got.Expiring() != s.Expiring() || got.Clock() != s.Clock() || got.Index() != s.Index() {
			t.Fatalf("rebuilt: %d keys, %d bytes, %d deadlines; want %d, %d, %d", got.Len(), got.Bytes(), got.Expiring(), s.Len(), s.Bytes(), s.Expiring())
		}
		for i := range 20_000 {
			key := strconv.AppendInt([]byte("key:"), int64(i), 10)
			a, foundA := s.Get(key)
			b, foundB := got.Get(key)
			if foundA != foundB || !sameItem(a, b) || s.Version(key) != got.Version(key) {
				t.Fatalf("%s: %v, %v, version %d; want %v, %v, %d", key, b, foundB, got.Version(key), a, foundA, s.Version(key))
			}
		}
		if due, _ := s.NextDeadline(); due > s.Clock() || s.Expiring() == 0 {
			return
		}
		// Both must go on alike.
		s.Advance(0, entry)
		got.Advance(0, entry)
	}
}

func TestLoaderRefusesWhatCannotBe(t *testing.T) {
	key := []byte("a") // slot 15495
	l := NewLoader(1, 1)
	right := PartitionOf(shard.Slot(key))
	if err := l.Partition(right).Add(key, nil, 0, 1); err != nil {
		t.Errorf("first time: %v", err)
	}
	if err := l.Partition(right).Add(key, nil, 0, 1); err == nil {
		t.Error("a key may come twice")
	}
	if err := l.Partition(right-1).Add(key, nil, 0, 1); err == nil {
		t.Error("a key may come in a foreign partition")
	}
	if err := l.Partition(0).Slot(slotsPerPartition, 1); err == nil {
		t.Error("a slot may come in a foreign partition")
	}
	if err := l.Partition(Partitions-1).Slot(shard.Slots, 1); err == nil {
		t.Error("a slot may be beyond the last")
	}
	// Keys of one hash are no duplicates of each other.
	tag := tagOf(7)
	for salt := range uint64(3) {
		k := collidingKey(tag, salt, 1)
		if err := l.Partition(0).Add(k, nil, 0, 1); err != nil {
			t.Errorf("key %d of a chain: %v", salt, err)
		}
		if err := l.Partition(0).Add(k, nil, 0, 1); err == nil {
			t.Errorf("key %d of a chain may come twice", salt)
		}
	}
}
