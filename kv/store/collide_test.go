package store

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"testing"

	"raftkv/shard"
)

// Constants of XXH64.
const (
	prime1 uint64 = 11400714785074694791
	prime2 uint64 = 14029467366897019727
	prime3 uint64 = 1609587929392839161
	prime4 uint64 = 9650029242287828579
	prime5 uint64 = 2870177450012600261
)

// inverse returns x with x*odd = 1 modulo 2^64, by Newton's iteration.
func inverse(odd uint64) uint64 {
	x := odd
	for range 6 {
		x *= 2 - odd*x
	}
	return x
}

// collidingKey returns a key of 24 bytes, tag, salt and 8 more, whose XXH64 is
// hash. Each step of XXH64 over the last 8 bytes can be undone, so they follow
// from the rest. tag is a hash tag of 8 bytes such as "{abcdef}", which settles
// the slot.
func collidingKey(tag string, salt, hash uint64) []byte {
	key := binary.LittleEndian.AppendUint64([]byte(tag), salt)
	round := func(word uint64) uint64 { return bits.RotateLeft64(word*prime2, 31) * prime1 }
	h := prime5 + 24
	for _, word := range []uint64{binary.LittleEndian.Uint64(key), salt} {
		h = bits.RotateLeft64(h^round(word), 27)*prime1 + prime4
	}
	// The finish of XXH64, backwards.
	want := hash
	want ^= want >> 32
	want *= inverse(prime3)
	want ^= want>>29 ^ want>>58
	want *= inverse(prime2)
	want ^= want >> 33
	want = bits.RotateLeft64((want-prime4)*inverse(prime1), -27) ^ h
	word := bits.RotateLeft64(want*inverse(prime1), -31) * inverse(prime2)
	return binary.LittleEndian.AppendUint64(key, word)
}

// tagOf returns a hash tag of 8 bytes for slot.
func tagOf(slot uint16) string {
	for n := 0; ; n++ {
		if tag := fmt.Sprintf("{%06d}", n); shard.Slot([]byte(tag)) == slot {
			return tag
		}
	}
}

func TestCollidingKeysShareAPosition(t *testing.T) {
	for _, slot := range []uint16{0, 255, 256, shard.Slots - 1} {
		tag := tagOf(slot)
		for _, hash := range []uint64{0, 1 << 16, 0xdeadbeefcafef00d, 1<<64 - 1} {
			want := uint64(slot)<<hashBits | hash>>(64-hashBits)
			for salt := range uint64(3) {
				if gotSlot, got := position(collidingKey(tag, salt, hash)); got != want || gotSlot != slot {
					t.Errorf("slot %d, hash %x, salt %d: position %x, want %x", slot, hash, salt, got, want)
				}
			}
		}
	}
}
