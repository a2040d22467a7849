package store

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"raftkv/shard"
)

func numbered(n int) []byte { return strconv.AppendInt([]byte("key:"), int64(n), 10) }

// An entry removes MaxExpirePerEntry keys at most; those that are left are
// absent all the same for everybody who asks.
func TestManyDueKeysGoEntryByEntry(t *testing.T) {
	s := New()
	s.Advance(1000, 1)
	const keys = 2*MaxExpirePerEntry + 500
	for i := range keys {
		s.Set(numbered(i), []byte("v"), 2000+int64(i%3))
	}
	s.Set([]byte("stays"), []byte("v"), 0)
	s.Advance(1999, 2)
	if s.Len() != keys+1 {
		t.Fatalf("%d keys before the deadline", s.Len())
	}
	index := uint64(3)
	for left := keys; left > 0; index++ {
		s.Advance(2002, index) // the last deadline: a key ends at its deadline, not after it
		left = max(left-MaxExpirePerEntry, 0)
		if s.Len() != left+1 || s.Expiring() > left {
			t.Fatalf("entry %d: %d keys, %d deadlines; want %d", index, s.Len(), s.Expiring(), left)
		}
		if due, any := s.NextDeadline(); any != (left > 0) || any && due > s.Clock() {
			t.Fatalf("entry %d: NextDeadline %d, %v", index, due, any)
		}
		for i := range keys {
			if it, found := s.Get(numbered(i)); found {
				t.Fatalf("%s is there with %v", numbered(i), it)
			}
		}
		seen := 0
		for cursor, more := uint64(0), true; more; more = cursor != 0 {
			cursor = s.Scan(cursor, 100, func(key []byte, _ Item) { seen++ })
		}
		for slot := range uint16(shard.Slots) {
			s.AscendSlot(slot, func([]byte, Item) bool { seen++; return true })
		}
		if seen != 2 { // one key, twice
			t.Fatalf("scans return %d keys, want one each", seen)
		}
		if key, found := s.Random(rand.New(rand.NewPCG(1, index))); !found || string(key) != "stays" {
			t.Fatalf("Random = %q, %v", key, found)
		}
	}
	s.Delete([]byte("stays"))
	if s.Len() != 0 || s.Bytes() != 0 {
		t.Errorf("%d keys, %d bytes at the end", s.Len(), s.Bytes())
	}
}

// A key that is due and not yet removed can be written and deleted as if it were
// absent.
func TestDueKeyIsReplacedAndDeleted(t *testing.T) {
	s := New()
	s.Advance(1000, 1)
	for i := range MaxExpirePerEntry {
		s.Set(numbered(i), nil, 2000)
	}
	s.Set([]byte("deleted"), []byte("old"), 2001)
	s.Set([]byte("replaced"), []byte("old"), 2002)
	s.Set([]byte("dropped"), []byte("old"), 2003)
	s.Advance(3000, 2)
	if s.Len() != 3 {
		t.Fatalf("%d keys are left, want 3", s.Len())
	}
	if s.Delete([]byte("deleted")) {
		t.Error("a key that is due could be deleted")
	}
	s.Set([]byte("replaced"), []byte("new"), 4000)
	s.Set([]byte("dropped"), []byte("new"), 2500) // has passed
	if it, found := s.Get([]byte("replaced")); !found || string(it.Value) != "new" || it.ExpireAt != 4000 {
		t.Errorf("replaced: %v, %v", it, found)
	}
	if due, any := s.NextDeadline(); s.Len() != 1 || s.Expiring() != 1 || due != 4000 || !any {
		t.Errorf("%d keys, %d deadlines, the next at %d", s.Len(), s.Expiring(), due)
	}
	s.Advance(4000, 3)
	if s.Len() != 0 || s.Bytes() != 0 {
		t.Errorf("%d keys, %d bytes at the end", s.Len(), s.Bytes())
	}
}

// A transaction that watches a key which was absent must notice that it came and
// expired meanwhile, even while its removal waits its turn.
func TestVersionTellsOfAKeyThatCameAndExpired(t *testing.T) {
	s := New()
	key := []byte("watched")
	s.Advance(1000, 1)
	for i := range 2 * MaxExpirePerEntry {
		s.Set(numbered(i), nil, 2000)
	}
	absent := s.Version(key)
	s.Advance(1000, 2)
	s.Set(key, nil, 2001)
	there := s.Version(key)
	s.Advance(3000, 3)
	due := s.Version(key)
	s.Advance(3000, 4)
	s.Advance(3000, 5)
	if s.Len() != 0 {
		t.Fatalf("%d keys are left", s.Len())
	}
	removed := s.Version(key)
	if absent == there || there == due || due == absent || removed == absent || removed == there {
		t.Errorf("versions: absent %d, there %d, due %d, removed %d", absent, there, due, removed)
	}
}

func TestTimeNeverGoesBack(t *testing.T) {
	s := New()
	s.Advance(1000, 1)
	s.Set([]byte("a"), nil, 1500)
	s.Advance(1500, 2)
	s.Advance(100, 3)
	if s.Clock() != 1500 || s.Index() != 3 {
		t.Errorf("clock %d, index %d", s.Clock(), s.Index())
	}
	if _, found := s.Get([]byte("a")); found {
		t.Error("a key came back")
	}
}

// Keys of one hash share a place in the tree, but each has its own deadline.
func TestChainExpiresKeyByKey(t *testing.T) {
	s := New()
	s.Advance(1000, 1)
	tag := tagOf(100)
	deadlines := []int64{2000, 3000, 2000, 0, 4000}
	for salt, at := range deadlines {
		s.Set(collidingKey(tag, uint64(salt), 5), numbered(salt), at)
	}
	if s.Expiring() != 3 {
		t.Errorf("%d deadlines, want 3: two keys share one", s.Expiring())
	}
	for i, now := range []int64{1999, 2000, 3000, 3999, 4000} {
		s.Advance(now, uint64(2+i))
		left := 0
		for salt, at := range deadlines {
			it, found := s.Get(collidingKey(tag, uint64(salt), 5))
			if want := at == 0 || at > now; found != want || want && string(it.Value) != string(numbered(salt)) {
				t.Errorf("at %d: key %d with deadline %d: %q, %v", now, salt, at, it.Value, found)
			}
			if found {
				left++
			}
		}
		if s.Len() != left || s.SlotLen(100) != left {
			t.Errorf("at %d: Len %d, SlotLen %d, want %d", now, s.Len(), s.SlotLen(100), left)
		}
	}
}
