package store

import (
	"math"
	"testing"
)

func TestRecordKeepsAll(t *testing.T) {
	for _, c := range []struct {
		key, value string
		expireAt   int64
		changed    uint64
	}{
		{"", "", 0, 0},
		{"key", "", 1, 1},
		{"", "value", math.MaxInt64, math.MaxUint64},
		{"k\x00\xff", "v\x00\r\n", 1 << 40, 1 << 50},
	} {
		r := newRecord([]byte(c.key), []byte(c.value), c.expireAt, c.changed)
		it := r.item()
		if r.key() != c.key || string(it.Value) != c.value || it.ExpireAt != c.expireAt || it.Changed != c.changed || r.size() != len(r) {
			t.Errorf("%+v became %q, %+v", c, r.key(), it)
		}
		if cost(r) != Cost([]byte(c.key), it) {
			t.Errorf("%+v costs %d in the store, Cost says %d", c, cost(r), Cost([]byte(c.key), it))
		}
	}
}

func TestChain(t *testing.T) {
	a := newRecord([]byte("a"), []byte("1"), 0, 1)
	b := newRecord([]byte("b"), nil, 50, 2)
	empty := newRecord(nil, []byte("b"), 60, 3)
	c := chain(a) + chain(b) + chain(empty)
	keys := func(c chain) (out string) {
		for r := range c.each {
			out += "[" + r.key() + "]"
		}
		return out
	}
	if got := keys(c); got != "[a][b][]" {
		t.Errorf("the chain holds %s", got)
	}
	for key, want := range map[string]record{"a": a, "b": b, "": empty, "c": "", "ab": ""} {
		if got := c.find([]byte(key)); got != want {
			t.Errorf("find(%q) = %q", key, got)
		}
	}
	for key, want := range map[string]string{"a": "[b][]", "b": "[a][]", "": "[a][b]", "c": "[a][b][]"} {
		if got := keys(c.without([]byte(key))); got != want {
			t.Errorf("without(%q) holds %s, want %s", key, got, want)
		}
	}
	if got := chain(a).without([]byte("a")); got != "" {
		t.Errorf("a chain without its only key is %q", got)
	}
	for at, want := range map[int64]bool{0: true, 50: true, 60: true, 51: false} {
		if got := c.expiresAt(at); got != want {
			t.Errorf("expiresAt(%d) = %v", at, got)
		}
	}
	n := 0
	for range c.each {
		n++
		if n == 2 {
			break
		}
	}
	if n != 2 {
		t.Errorf("a loop that ends after 2 saw %d", n)
	}
}
