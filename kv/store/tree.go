package store

import "github.com/tidwall/btree"

// treeDegree trades memory per key against the bytes that a write copies while
// a snapshot shares the tree.
const treeDegree = 24

// tree is an ordered map from positions to chains, which it copies. Neither its
// pages nor its chains have pointers in them (see chunks).
type tree struct {
	refs  *btree.Map[uint64, ref]
	bytes chunks
}

func newTree() *tree {
	return &tree{refs: btree.NewMap[uint64, ref](treeDegree), bytes: chunks{tolerated: tolerated}}
}

func (t *tree) len() int { return t.refs.Len() }

// get returns the chain at pos, "" if there is none. It stays as it is, whatever
// becomes of the tree.
func (t *tree) get(pos uint64) chain {
	r, ok := t.refs.Get(pos)
	if !ok {
		return ""
	}
	return chain(t.bytes.at(r))
}

// set puts c at pos, or nothing if it is "". It returns what was there.
func (t *tree) set(pos uint64, c chain) (before chain) {
	if c == "" {
		return t.replaced(t.refs.Delete(pos))
	}
	to, b := t.bytes.place(len(c))
	copy(b, c)
	return t.replaced(t.refs.Set(pos, to))
}

// setRecord puts a new record at pos, and nothing else. It returns it, and what
// was there.
func (t *tree) setRecord(pos uint64, key, value []byte, expireAt int64, changed uint64) (r record, before chain) {
	to, b := t.bytes.place(recordLen(key, value))
	r = encode(b, key, value, expireAt, changed)
	return r, t.replaced(t.refs.Set(pos, to))
}

// load is setRecord, and faster if pos is behind all others.
func (t *tree) load(pos uint64, key, value []byte, expireAt int64, changed uint64) (r record, before chain) {
	to, b := t.bytes.place(recordLen(key, value))
	r = encode(b, key, value, expireAt, changed)
	return r, t.replaced(t.refs.Load(pos, to))
}

// replaced gives up the chain at r, if there was one, and returns it.
func (t *tree) replaced(r ref, existed bool) chain {
	if !existed {
		return ""
	}
	c := chain(t.bytes.at(r))
	t.bytes.drop(r)
	t.tidy()
	return c
}

// tidy moves chains out of blocks of which little is in use.
func (t *tree) tidy() {
	for t.bytes.wasteful() {
		number, ok := t.bytes.emptiest()
		if !ok {
			return
		}
		t.empty(number)
	}
}

// empty moves all that is in use in a block elsewhere.
func (t *tree) empty(number uint32) {
	content := t.bytes.content(number)
	for at := 0; at < len(content); {
		first := record(content[at:])
		first = first[:first.size()]
		if t.bytes.use[number].isDropped(at) {
			at += len(first)
			continue
		}
		_, pos := position(bytesOf(first.key()))
		r, ok := t.refs.Get(pos)
		// Chains are met at their first record, and only that is marked as dropped.
		if !ok || r.number() != number || r.offset() != at {
			at += len(first)
			continue
		}
		c := t.bytes.at(r)
		to, b := t.bytes.place(len(c))
		copy(b, c)
		t.refs.Set(pos, to)
		t.bytes.drop(r)
		if at += len(c); t.bytes.use[number].live == 0 {
			return // the block has gone
		}
	}
}

// ascend calls fn for the chains from pos on until it returns false.
func (t *tree) ascend(pos uint64, fn func(pos uint64, c chain) bool) {
	t.refs.Ascend(pos, func(pos uint64, r ref) bool { return fn(pos, chain(t.bytes.at(r))) })
}

// ahead is how many chains ascendSlot looks at before it yields the first of them.
const ahead = 32

// ascendSlot calls fn for the records of a slot until it returns false.
//
// Chains lie in memory as they were written, in no order of keys, so that each is
// waited for. The lengths of many are read first: a processor waits for them together.
func (t *tree) ascendSlot(slot uint16, fn func(record) bool) {
	var next [ahead]chain
	var first [ahead]int // lengths of their first records
	n, more := 0, true
	yield := func() {
		for i, c := range next[:n] {
			first[i] = record(c).size()
		}
		for i, c := range next[:n] {
			more = more && fn(record(c[:first[i]]))
			for r := range c[first[i]:].each {
				more = more && fn(r)
			}
		}
		n = 0
	}
	t.ascend(uint64(slot)<<hashBits, func(pos uint64, c chain) bool {
		if uint16(pos>>hashBits) != slot {
			return false
		}
		next[n] = c
		if n++; n == ahead {
			yield()
		}
		return more
	})
	yield()
}

// getAt returns the chain that has i others before it.
func (t *tree) getAt(i int) (pos uint64, c chain) {
	pos, r, _ := t.refs.GetAt(i)
	return pos, chain(t.bytes.at(r))
}

// copy returns the tree as it is now, for reading. It takes microseconds at any size.
func (t *tree) copy() *tree { return &tree{refs: t.refs.Copy(), bytes: t.bytes.copy()} }
