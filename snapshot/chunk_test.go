package snapshot

import (
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func TestChunkRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := newContent()
		var c Chunk
		n := rapid.IntRange(0, 30).Draw(t, "records")
		for range n {
			slot := uint16(rapid.IntRange(0, 16383).Draw(t, "slot"))
			key := rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(t, "key")
			want.Slot(slot, 0)
			switch rapid.IntRange(0, 2).Draw(t, "kind") {
			case 0:
				c.Key(slot, key, []byte("value"), 12)
				want.Key(slot, key, []byte("value"), 12, 0)
			case 1:
				c.Tombstone(slot, key)
				want.Tombstone(slot, key, 0, 0)
			case 2:
				c.Session(slot, string(key), 3, 4, []byte("+OK\r\n"))
				want.Session(slot, key, 3, 4, []byte("+OK\r\n"))
			}
		}
		if c.Records() != n {
			t.Fatalf("%d records, want %d", c.Records(), n)
		}
		size, got := c.Len(), newContent()
		b := c.Take()
		if err := ReadChunk(b, got); err != nil || !got.equal(want) || size != len(b) || c.Len() != 0 || c.Records() != 0 {
			t.Fatalf("%v: %v, want %v", err, got, want)
		}
		// No beginning of it but the whole records passes.
		for cut := range b {
			if err := ReadChunk(b[:cut], newContent()); err != nil && !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
		}
	})
}

func FuzzReadChunk(f *testing.F) {
	var c Chunk
	c.Key(5, []byte("key"), []byte("value"), 7)
	c.Tombstone(6, []byte("gone"))
	c.Session(6, "id", 3, 4, []byte("+OK\r\n"))
	f.Add(c.Take())
	f.Add([]byte{tagSlot, 0xff, 0xff, 3, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := ReadChunk(b, newContent()); err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
	})
}
