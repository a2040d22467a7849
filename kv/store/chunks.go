package store

import "unsafe"

// chunks holds byte strings that never change, many to a block of memory. So Go's
// collector sees a block for thousands of keys and finds no pointer in it: with an
// object for each key it had to visit every one in every cycle, which for 5M keys
// took a processor for more than half a second, while requests waited.
//
// A block that nobody refers to any more is the collector's: strings that were read
// stay valid for as long as somebody holds them, whatever becomes of their block here.
//
// Like a Store it is for many readers or one writer; what copy returns may be read
// beside anything.
type chunks struct {
	table []*page // of blocks by number/pageLen
	use   []usage // of the same, by number
	free  []uint32
	epoch int // of the pages that no copy shares

	open     uint32 // number of the block that is being filled, if openFree is not nil
	openFree []byte // the rest of it

	tolerated int64 // bytes that may be wasted in any case

	held int64 // bytes of blocks
	live int64 // bytes of strings in them
	dead int64 // bytes of strings in them that were dropped
}

// usage tells what a block holds, in bytes. Numbers of no block have size 0.
type usage struct {
	size, filled, live int
	dropped            []uint64 // bits of strings, by offset/recordHeader: no string is shorter
}

func (u *usage) markDropped(offset int) {
	if u.dropped == nil {
		u.dropped = make([]uint64, u.size/recordHeader/64+1)
	}
	bit := offset / recordHeader
	u.dropped[bit/64] |= 1 << (bit % 64)
}

func (u *usage) isDropped(offset int) bool {
	bit := offset / recordHeader
	return u.dropped != nil && u.dropped[bit/64]>>(bit%64)&1 == 1
}

// page is a part of the table. It is copied before it changes if a copy shares it,
// so that a copy of the table costs next to nothing.
type page struct {
	epoch  int
	blocks [pageLen][]byte
}

const (
	pageLen = 32

	// Blocks grow with what they hold, so that small stores stay small. A block of
	// maxBlock is emptied in a fraction of a millisecond.
	minBlock = 1 << 10
	maxBlock = 64 << 10

	// tolerated lets small trees, of which a store has Partitions, move next to nothing.
	tolerated = 256 << 10

	// longString is the length beyond which a string has a block for itself.
	longString = maxBlock / 8
)

// ref says where a string is: 32 bits number of its block, 16 bits offset, 16 bits
// length, which is 0 if the string is all of the block.
type ref uint64

func (r ref) number() uint32 { return uint32(r >> 32) }
func (r ref) offset() int    { return int(r >> 16 & 0xffff) }
func (r ref) len() int       { return int(r & 0xffff) }

// at returns the string at r.
func (c *chunks) at(r ref) string {
	n := r.number()
	b := c.table[n/pageLen].blocks[n%pageLen]
	if r.len() > 0 {
		b = b[r.offset() : r.offset()+r.len()]
	}
	return unsafe.String(&b[0], len(b)) // b is never written again
}

// place makes room for a string of n bytes, which must be written before anything
// else happens.
func (c *chunks) place(n int) (ref, []byte) {
	c.live += int64(n)
	if n > longString {
		b := make([]byte, n)
		number := c.add(b)
		c.use[number].filled, c.use[number].live = n, n
		return ref(number) << 32, b
	}
	if n > len(c.openFree) {
		size := minBlock
		for size < maxBlock && (size < n || int64(size) < c.held/4) {
			size *= 2
		}
		c.openFree = make([]byte, size)
		before := c.open
		c.open = c.add(c.openFree)
		c.discard(before) // if its last string went while it was open
	}
	b := c.openFree[:n:n]
	c.openFree = c.openFree[n:]
	u := &c.use[c.open]
	offset := u.filled
	u.filled += n
	u.live += n
	return ref(c.open)<<32 | ref(offset)<<16 | ref(n), b
}

// add gives a block a number.
func (c *chunks) add(b []byte) (number uint32) {
	if last := len(c.free) - 1; last >= 0 {
		number = c.free[last]
		c.free = c.free[:last]
	} else {
		number = uint32(len(c.use))
		c.use = append(c.use, usage{})
	}
	c.use[number] = usage{size: len(b)}
	c.held += int64(len(b))
	c.setBlock(number, b)
	return number
}

func (c *chunks) setBlock(number uint32, b []byte) {
	i := int(number / pageLen)
	switch {
	case i == len(c.table):
		c.table = append(c.table, &page{epoch: c.epoch})
	case c.table[i].epoch != c.epoch:
		own := *c.table[i]
		own.epoch = c.epoch
		c.table[i] = &own
	}
	c.table[i].blocks[number%pageLen] = b
}

// drop says that nothing here refers to the string at r any more.
func (c *chunks) drop(r ref) {
	u := &c.use[r.number()]
	n := r.len()
	if n == 0 {
		n = u.size
	} else {
		u.markDropped(r.offset())
	}
	u.live -= n
	c.live -= int64(n)
	c.dead += int64(n)
	c.discard(r.number())
}

// discard lets a block go if it holds nothing and is not being filled.
func (c *chunks) discard(number uint32) {
	u := &c.use[number]
	if u.size == 0 || u.live > 0 || c.isOpen(number) {
		return
	}
	c.held -= int64(u.size)
	c.dead -= int64(u.filled)
	*u = usage{}
	c.setBlock(number, nil)
	c.free = append(c.free, number)
}

func (c *chunks) isOpen(number uint32) bool { return c.openFree != nil && number == c.open }

// wasteful tells whether so much of what is held was dropped that a block should be
// emptied. If all strings are replaced equally often, then of the emptiest block about a
// third is live when two fifths of all is not: one string moves for two that are written.
func (c *chunks) wasteful() bool { return c.dead > c.tolerated && c.dead > c.held*2/5 }

// emptiest returns the block of which the most was dropped, but not the open one.
func (c *chunks) emptiest() (number uint32, found bool) {
	var size, dead int
	for i := range c.use {
		u := &c.use[i]
		if n := u.filled - u.live; n > 0 && (!found || n*size > dead*u.size) && !c.isOpen(uint32(i)) {
			number, size, dead, found = uint32(i), u.size, n, true
		}
	}
	return number, found
}

// content returns what was put into a block, one string behind the other, those
// included that are not referred to any more.
func (c *chunks) content(number uint32) string {
	b := c.table[number/pageLen].blocks[number%pageLen]
	return unsafe.String(&b[0], c.use[number].filled)
}

// copy returns the strings as they are now, for reading.
func (c *chunks) copy() chunks {
	c.epoch++ // none of the pages is c's own any more
	return chunks{table: append([]*page(nil), c.table...)}
}
