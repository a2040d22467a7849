package diagram

import (
	"testing"

	"pgregory.net/rapid"
)

// What is kept is never more than may be; nothing is thinned out that has room; and
// whether a number is kept does not depend on when it came.
func TestThinning(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		most := rapid.IntRange(1, 50).Draw(rt, "most")
		n := rapid.IntRange(0, 500).Draw(rt, "n")
		first := rapid.Uint64().Draw(rt, "first")
		all := make(map[string]*thinned[uint64, int])
		part := of(all, "kind", most)
		for i := range n {
			part.put(first+uint64(i), first+uint64(i), i)
			part.put(first+uint64(i), first+uint64(i), i) // again: it is the same one
			if len(part.kept) > most {
				rt.Fatalf("%d of at most %d are kept", len(part.kept), most)
			}
		}
		if n <= most && len(part.kept) != n {
			rt.Fatalf("%d of %d are kept, and %d may be", len(part.kept), n, most)
		}
		for i := range n {
			number := first + uint64(i)
			if _, kept := part.kept[number]; kept != part.keeps(number) {
				rt.Fatalf("number %d: kept %v, belongs %v", number, kept, part.keeps(number))
			}
		}
		if n > 4*most && most > 20 && len(part.kept) == 0 {
			rt.Fatalf("none of %d is kept", n)
		}
	})
}
