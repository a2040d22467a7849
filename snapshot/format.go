// Package snapshot holds raftkv's one format for the state of a group, on disk
// and on the wire, the store that raft keeps its snapshots in, and the budget
// that says when to take one.
//
// # Format
//
// A snapshot is a magic number, "RKVSNAP1", and blocks:
//
//	0   kind: 1 header, 2 meta, 3 slots, 4 footer
//	1   compression: 0 none, 1 S2
//	2   partition of a slots block (slot / 256), else 0
//	3   0
//	4   length of the payload before compression, 4 bytes little endian
//	8   length of the payload, 4 bytes
//	12  CRC32C of the 12 bytes before and the payload, 4 bytes
//	16  payload
//
// The header is a JSON Header, meta is JSON that only the writer's package
// understands, the footer is a JSON Footer with counts and the checksum of all
// bytes before it. Slots blocks hold records, each behind a tag byte, numbers
// as uvarints and texts as length and bytes:
//
//	1  a slot begins (or goes on, if it was cut): slot, index of its last deletion
//	2  key: key, value, expiry in ms or 0, index of the last change
//	3  session: client id, sequence number, last activity in ms, reply
//	4  tombstone, in migrating slots: key, index of its deletion, digest of what was there
//
// A block never spans partitions, so that a restore can fill them in parallel. A
// Chunk, which a migration sends, is such records without a block around them.
package snapshot

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// ErrDamaged: the bytes are not those that were written, or not all of them.
var ErrDamaged = errors.New("the snapshot is damaged")

const (
	magic       = "RKVSNAP1"
	blockHeader = 16
	// maxBlock bounds what a damaged length can make a reader allocate: one
	// record has at most a key, a value and some numbers.
	maxBlock = 1 << 30
	// blockTarget is when a slots block is closed, in bytes before compression.
	blockTarget = 256 << 10

	kindHeader = 1
	kindMeta   = 2
	kindSlots  = 3
	kindFooter = 4

	plain = 0
	s2    = 1

	tagSlot      = 1
	tagKey       = 2
	tagSession   = 3
	tagTombstone = 4
)

// Partitions is into how many parts the slots are divided.
const Partitions = 64

const slotsPerPartition = 16384 / Partitions

// Header says what a snapshot is of.
type Header struct {
	Format  int    `json:"format"`
	Cluster string `json:"cluster,omitempty"`
	Group   uint32 `json:"group"`
	Index   uint64 `json:"index"` // of the last entry in it
	Term    uint64 `json:"term"`
	Epoch   uint64 `json:"epoch"`
	Clock   int64  `json:"clock"` // the log's time in ms
}

const format = 1

// Footer closes a snapshot.
type Footer struct {
	Keys     uint64 `json:"keys"`
	Sessions uint64 `json:"sessions"`
	Blocks   uint64 `json:"blocks"` // before the footer
	Bytes    uint64 `json:"bytes"`  // before the footer
	Sum      string `json:"xxh64"`  // of these bytes, 16 hex digits
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// block is the header of a block.
type block struct {
	kind, compression, partition byte
	raw, stored                  uint32
	sum                          uint32
}

func (b block) append(dst []byte) []byte {
	dst = append(dst, b.kind, b.compression, b.partition, 0)
	dst = binary.LittleEndian.AppendUint32(dst, b.raw)
	dst = binary.LittleEndian.AppendUint32(dst, b.stored)
	return binary.LittleEndian.AppendUint32(dst, b.sum)
}

func parseBlock(b []byte) block {
	return block{
		kind: b[0], compression: b[1], partition: b[2],
		raw: binary.LittleEndian.Uint32(b[4:]), stored: binary.LittleEndian.Uint32(b[8:]),
		sum: binary.LittleEndian.Uint32(b[12:]),
	}
}

// checksum is that of a block: of its header but for the sum, and the payload.
func checksum(header, payload []byte) uint32 {
	return crc32.Update(crc32.Checksum(header[:12], castagnoli), castagnoli, payload)
}
