package store

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"raftkv/shard"
)

func TestScanTakesAnyCursorAndCount(t *testing.T) {
	s := New()
	s.Advance(1, 1)
	for i := range 300 {
		s.Set(numbered(i), nil, 0)
	}
	for _, count := range []int{0, 1, 7, 299, 300, 301, 1 << 20} {
		var seen []string
		calls := 0
		for cursor, more := uint64(0), true; more; more = cursor != 0 {
			calls++
			before := len(seen)
			cursor = s.Scan(cursor, count, func(key []byte, _ Item) { seen = append(seen, string(key)) })
			if n := len(seen) - before; n > max(count, 1) {
				t.Errorf("count %d: %d keys at once", count, n)
			}
		}
		slices.Sort(seen)
		if len(slices.Compact(seen)) != 300 || len(seen) != 300 {
			t.Errorf("count %d: %d keys", count, len(seen))
		}
		if most := 300/max(count, 1) + 1; calls > most {
			t.Errorf("count %d took %d calls, want %d at most", count, calls, most)
		}
	}
	// Cursors come from clients: any number must do.
	for _, cursor := range []uint64{shard.Slots << hashBits, 1 << 63, math.MaxUint64} {
		if next := s.Scan(cursor, 10, func(key []byte, _ Item) { t.Errorf("cursor %d yields %q", cursor, key) }); next != 0 {
			t.Errorf("cursor %d goes on at %d", cursor, next)
		}
	}
	last := uint64(shard.Slots)<<hashBits - 1
	if next := s.Scan(last, 10, func([]byte, Item) {}); next != 0 {
		t.Errorf("the last cursor goes on at %d", next)
	}
}

func TestCursorReachesItsKey(t *testing.T) {
	s := New()
	for i := range 100 {
		s.Set(numbered(i), nil, 0)
	}
	for i := range 100 {
		var got string
		s.Scan(Cursor(numbered(i)), 1, func(key []byte, _ Item) { got = string(key) })
		if got != string(numbered(i)) {
			t.Errorf("the cursor of %s reaches %s", numbered(i), got)
		}
	}
}

func TestRandomIsNearlyUniform(t *testing.T) {
	s := New()
	rnd := rand.New(rand.NewPCG(1, 2))
	if key, found := s.Random(rnd); found {
		t.Fatalf("an empty store has %q", key)
	}
	const keys, draws = 20, 20_000
	for i := range keys {
		s.Set(numbered(i), nil, 0)
	}
	count := map[string]int{}
	for range draws {
		key, found := s.Random(rnd)
		if !found {
			t.Fatal("no key")
		}
		count[string(key)]++
	}
	for i := range keys {
		if n := count[string(numbered(i))]; n < draws/keys*3/4 || n > draws/keys*5/4 {
			t.Errorf("%s came %d times of %d", numbered(i), n, draws)
		}
	}
}

func TestEqualStoresAreEqual(t *testing.T) {
	// What a store does depends on the calls alone: two of them agree on all.
	run := func() string {
		s := New()
		rnd := rand.New(rand.NewPCG(3, 4))
		for i := range uint64(3000) {
			s.Advance(int64(i), i+1)
			key := numbered(rnd.IntN(200))
			if rnd.IntN(3) == 0 {
				s.Delete(key)
			} else {
				s.Set(key, numbered(rnd.IntN(10)), int64(rnd.IntN(2))*int64(i+uint64(rnd.IntN(100))))
			}
		}
		return content(s.Snapshot())
	}
	if a, b := run(), run(); a != b {
		t.Error("two runs of the same calls differ")
	}
}
