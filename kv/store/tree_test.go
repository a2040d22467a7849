package store

import (
	"bytes"
	"fmt"
	"maps"
	"testing"

	"pgregory.net/rapid"
)

// A tree holds what was put into it and nothing more, whatever is moved between its
// blocks; its copies stay as they were, and so do strings that were read; and it holds
// little that is not in use.
func TestTreePacksChains(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tr, model := newTree(), map[string]string{}
		tr.bytes.tolerated = rapid.SampledFrom([]int64{0, 4 << 10, tolerated}).Draw(rt, "tolerated")
		type copied struct {
			tree  *tree
			model map[string]string
		}
		var copies []copied
		check := func(tree *tree, model map[string]string) {
			n := 0
			tree.ascend(0, func(pos uint64, c chain) bool {
				for r := range c.each {
					if _, at := position(bytesOf(r.key())); at != pos || model[r.key()] != string(r.item().Value) {
						rt.Fatalf("at %x is %q = %.20q; want %.20q", pos, r.key(), r.item().Value, model[r.key()])
					}
					n++
				}
				return true
			})
			if n != len(model) {
				rt.Fatalf("%d records; want %d", n, len(model))
			}
		}
		shape := rapid.SampledFrom([]struct {
			keys  int
			sizes []int
		}{{3, []int{0, 100}}, {3, []int{10, longString, 3 * longString}}, {50, []int{10, 5000, longString - 60}}, {1000, []int{0, 10, 100}}, {100, []int{100, 5000}}}).Draw(rt, "shape")
		keys, sizes := shape.keys, shape.sizes
		key := func(i int) []byte {
			if i%7 == 0 { // chains of several records
				return collidingKey("{abcdef}", uint64(i), uint64(i/21))
			}
			return fmt.Append(nil, i)
		}
		for step := range rapid.IntRange(1, 30).Draw(rt, "steps") {
			first, count := rapid.IntRange(0, keys-1).Draw(rt, "first"), rapid.IntRange(1, keys).Draw(rt, "count")
			remove := rapid.IntRange(0, 3).Draw(rt, "remove") == 0
			for i := first; i < min(first+count, keys); i++ {
				k := key(i)
				_, pos := position(k)
				rest := tr.get(pos).without(k)
				if remove {
					tr.set(pos, rest)
					delete(model, string(k))
					continue
				}
				v := bytes.Repeat([]byte{byte(step)}, sizes[(i+step)%len(sizes)])
				if rest != "" {
					tr.set(pos, rest+chain(newRecord(k, v, 0, 1)))
				} else if r, _ := tr.setRecord(pos, k, v, 0, 1); r.key() != string(k) {
					rt.Fatalf("the record of %q is of %q", k, r.key())
				}
				model[string(k)] = string(v)
			}
			if step%5 == 0 {
				copies = append(copies, copied{tr.copy(), maps.Clone(model)})
				copies = copies[max(0, len(copies)-3):]
			}
			check(tr, model)
			for _, c := range copies {
				check(c.tree, c.model)
			}
			b, live, held, filled := &tr.bytes, int64(0), int64(0), int64(0)
			tr.ascend(0, func(_ uint64, c chain) bool { live += int64(len(c)); return true })
			for _, u := range b.use {
				held += int64(u.size)
				filled += int64(u.filled)
			}
			if b.live != live || b.dead != filled-live || b.held != held {
				rt.Fatalf("%d live, %d dead, %d held; want %d, %d, %d", b.live, b.dead, b.held, live, filled-live, held)
			}
			if open := int64(maxBlock); b.dead > max(b.tolerated, held*2/5)+open || held > filled*7/4+open {
				rt.Fatalf("%d bytes are held, %d of them are live, %d dead", held, live, b.dead)
			}
		}
		for i := range keys {
			_, pos := position(key(i))
			tr.set(pos, "")
		}
		if b := &tr.bytes; b.live != 0 || b.held > maxBlock || len(b.free) < len(b.use)-1 {
			rt.Fatalf("empty, and yet %d bytes are live, %d held in %d blocks", b.live, b.held, len(b.use)-len(b.free))
		}
	})
}

func BenchmarkSetOld(b *testing.B) {
	const keys = 1_000_000
	s := New()
	value := bytes.Repeat([]byte("v"), 100)
	for i := range keys {
		s.Advance(1, uint64(i))
		s.Set(fmt.Appendf(nil, "key:%010d", i), value, 0)
	}
	key := make([]byte, 0, 20)
	for i := 0; b.Loop(); i++ {
		key = fmt.Appendf(key[:0], "key:%010d", i*7919%keys)
		s.Set(key, value, 0)
	}
}
