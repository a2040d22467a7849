package store

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"raftkv/shard"
)

// content is all that a view shows, as text.
func content(v *View) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%d %d %d\n", v.Clock(), v.Index(), v.Len())
	for slot := range uint16(shard.Slots) {
		if v.SlotLen(slot) > 0 || v.Deleted(slot) > 0 {
			fmt.Fprintf(&out, "%d: %d, deleted %d\n", slot, v.SlotLen(slot), v.Deleted(slot))
		}
		v.AscendSlot(slot, func(key []byte, it Item) bool {
			fmt.Fprintf(&out, "%q %q %d %d\n", key, it.Value, it.ExpireAt, it.Changed)
			return true
		})
	}
	return out.String()
}

// Views are read from other goroutines while the store changes, and more views
// are taken; the race detector looks on.
func TestViewNeverChanges(t *testing.T) {
	s := New()
	chainTag := tagOf(9)
	key := func(i int) []byte {
		if i%10 == 0 {
			return collidingKey(chainTag, uint64(i%50), 1<<30)
		}
		return numbered(i)
	}
	for i := range 500 {
		s.Advance(1000, uint64(i+1))
		s.Set(key(i), numbered(i), int64(i%2)*int64(2000+i))
	}
	var readers sync.WaitGroup
	defer readers.Wait()
	for round := range 7 {
		v := s.Snapshot()
		want := content(v)
		done := make(chan struct{})
		for range 2 {
			readers.Go(func() {
				for {
					if got := content(v); got != want {
						t.Errorf("round %d: the view became\n%.500s\nit was\n%.500s", round, got, want)
						return
					}
					select {
					case <-done:
						return
					default:
					}
				}
			})
		}
		for i := range 500 {
			s.Advance(1000+int64(round*100), s.Index()+1)
			switch (i + round) % 3 {
			case 0:
				s.Set(key(i), []byte("changed"), int64(i%2)*int64(2000+i))
			case 1:
				s.Delete(key(i))
			}
		}
		s.DeleteSlots(uint16(round*1000), uint16(round*1000+999), math.MaxInt, math.MaxInt64)
		if round == 5 {
			s.Clear()
		}
		close(done)
	}
}
