package store

import (
	"encoding/binary"
	"unsafe"

	"github.com/cespare/xxhash/v2"
)

// A record is one key with its value, packed into one immutable string without
// pointers inside:
//
//	0   index of the last change, 8 bytes
//	8   expiry in ms since the Unix epoch, 0 for never, 8 bytes
//	16  length of the key, 4 bytes
//	20  length of the value, 4 bytes
//	24  key, value
//
// Keys whose hashes collide share one tree entry, a chain: their records one
// behind the other.
const recordHeader = 24

type record string

func recordLen(key, value []byte) int { return recordHeader + len(key) + len(value) }

func newRecord(key, value []byte, expireAt int64, changed uint64) record {
	return encode(make([]byte, recordLen(key, value)), key, value, expireAt, changed)
}

// encode writes a record into b, which has its length and becomes the record.
func encode(b, key, value []byte, expireAt int64, changed uint64) record {
	binary.LittleEndian.PutUint64(b, changed)
	binary.LittleEndian.PutUint64(b[8:], uint64(expireAt))
	binary.LittleEndian.PutUint32(b[16:], uint32(len(key)))
	binary.LittleEndian.PutUint32(b[20:], uint32(len(value)))
	copy(b[recordHeader:], key)
	copy(b[recordHeader+len(key):], value)
	return record(unsafe.String(&b[0], len(b))) // b is never written again
}

func (r record) uint64(at int) uint64 {
	return binary.LittleEndian.Uint64(unsafe.Slice(unsafe.StringData(string(r)), len(r))[at:])
}

func (r record) uint32(at int) int {
	return int(binary.LittleEndian.Uint32(unsafe.Slice(unsafe.StringData(string(r)), len(r))[at:]))
}

func (r record) changed() uint64 { return r.uint64(0) }
func (r record) expireAt() int64 { return int64(r.uint64(8)) }
func (r record) size() int       { return recordHeader + r.uint32(16) + r.uint32(20) }
func (r record) key() string     { return string(r[recordHeader : recordHeader+r.uint32(16)]) }
func (r record) hasKey(key []byte) bool {
	return r.key() == string(key)
}

// digest is a hash of all but the last change, whose index is the group's own.
func (r record) digest() uint64 { return xxhash.Sum64String(string(r[8:])) }

// item shows the record to callers. Its value points into the record.
func (r record) item() Item {
	from := recordHeader + r.uint32(16)
	return Item{Value: bytesOf(string(r[from : from+r.uint32(20)])), ExpireAt: r.expireAt(), Changed: r.changed()}
}

// bytesOf shows s as bytes, which must not be written.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// chain is one or more records of equal hash. Almost always it is one.
type chain string

// each yields the records of the chain.
func (c chain) each(yield func(record) bool) {
	for len(c) > 0 {
		r := record(c)
		r = r[:r.size()]
		if !yield(r) {
			return
		}
		c = c[len(r):]
	}
}

// find returns the record of key, or "".
func (c chain) find(key []byte) record {
	for len(c) > 0 {
		r := record(c)
		r = r[:r.size()]
		if r.hasKey(key) {
			return r
		}
		c = c[len(r):]
	}
	return ""
}

// without returns the chain less the record of key.
func (c chain) without(key []byte) chain {
	var out chain
	for r := range c.each {
		if !r.hasKey(key) {
			out += chain(r)
		}
	}
	return out
}

// changedAt tells whether any record of the chain was changed at index.
func (c chain) changedAt(index uint64) bool {
	for r := range c.each {
		if r.changed() == index {
			return true
		}
	}
	return false
}

// expiresAt tells whether any record of the chain has this deadline.
func (c chain) expiresAt(at int64) bool {
	for r := range c.each {
		if r.expireAt() == at {
			return true
		}
	}
	return false
}
