package snapshot

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/cespare/xxhash/v2"
	compress "github.com/klauspost/compress/s2"
)

// Writer encodes a snapshot. Slots must come in ascending order, each followed
// by its keys and sessions. Not safe for concurrent use. The first error stays:
// check it with Close.
type Writer struct {
	w      io.Writer
	pace   func()
	hash   *xxhash.Digest
	footer Footer

	buf       []byte // the slots block being filled
	packed    []byte
	slot      int
	deleted   uint64
	partition byte
	err       error
}

// NewWriter begins a snapshot on w. pace, if set, is called after each block,
// and may sleep to leave the machine to others. meta is JSON.
func NewWriter(w io.Writer, header Header, meta []byte, pace func()) *Writer {
	s := &Writer{w: w, pace: pace, hash: xxhash.New(), slot: -1}
	header.Format = format
	head, err := json.Marshal(header)
	s.err = err
	s.write([]byte(magic))
	s.block(kindHeader, 0, head)
	s.block(kindMeta, 0, meta)
	return s
}

// Slot begins a slot; deleted is the index of the last deletion in it.
func (s *Writer) Slot(slot uint16, deleted uint64) {
	if int(slot) <= s.slot {
		s.fail(fmt.Errorf("slot %d after slot %d", slot, s.slot))
		return
	}
	if partition := byte(slot / slotsPerPartition); partition != s.partition {
		s.flush()
		s.partition = partition
	}
	s.slot, s.deleted = int(slot), deleted
	s.slotRecord()
}

func (s *Writer) slotRecord() {
	s.buf = appendSlot(s.buf, uint16(s.slot), s.deleted)
}

// Key adds a key of the slot. The bytes are copied.
func (s *Writer) Key(key, value []byte, expireAt int64, changed uint64) {
	s.room()
	s.buf = appendKey(s.buf, key, value, expireAt, changed)
	s.footer.Keys++
}

// Session adds a client's session in the slot.
func (s *Writer) Session(id string, seq uint64, active int64, reply []byte) {
	s.room()
	s.buf = appendSession(s.buf, id, seq, active, reply)
	s.footer.Sessions++
}

// Tombstone adds a key that the slot had: it was deleted at index, and digest is
// that of what was there.
func (s *Writer) Tombstone(key []byte, index, digest uint64) {
	s.room()
	s.buf = appendTombstone(s.buf, key, index, digest)
}

// room cuts the block when it is full; the slot goes on in the next one.
func (s *Writer) room() {
	if s.slot < 0 {
		s.fail(errors.New("a record before any slot"))
	}
	if len(s.buf) >= blockTarget {
		s.flush()
		s.slotRecord()
	}
}

func (s *Writer) flush() {
	if len(s.buf) == 0 {
		return
	}
	s.block(kindSlots, s.partition, s.buf)
	s.buf = s.buf[:0]
}

func (s *Writer) block(kind, partition byte, payload []byte) {
	if s.err != nil {
		return
	}
	if len(payload) > maxBlock {
		s.fail(fmt.Errorf("a block of %d bytes", len(payload)))
		return
	}
	b := block{kind: kind, partition: partition, raw: uint32(len(payload))}
	if kind == kindSlots {
		s.packed = compress.Encode(s.packed[:cap(s.packed)], payload)
		if len(s.packed) < len(payload) {
			payload, b.compression = s.packed, s2
		}
	}
	b.stored = uint32(len(payload))
	var space [blockHeader]byte
	header := b.append(space[:0])
	b.sum = checksum(header, payload)
	s.write(b.append(space[:0]))
	s.write(payload)
	s.footer.Blocks++
	if s.pace != nil {
		s.pace()
	}
}

func (s *Writer) write(b []byte) {
	if s.err != nil {
		return
	}
	s.hash.Write(b)
	s.footer.Bytes += uint64(len(b))
	_, s.err = s.w.Write(b)
}

// Err returns the first error.
func (s *Writer) Err() error { return s.err }

func (s *Writer) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// Close writes what is left and the footer. It does not close the io.Writer.
func (s *Writer) Close() (Footer, error) {
	s.flush()
	s.footer.Sum = fmt.Sprintf("%016x", s.hash.Sum64())
	footer := s.footer
	b, err := json.Marshal(footer)
	if err != nil {
		return footer, err
	}
	s.block(kindFooter, 0, b)
	return footer, s.err
}
