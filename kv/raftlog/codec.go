package raftlog

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/hashicorp/raft"
)

// An encoded entry, little endian:
//
//	0    CRC32C of all that follows
//	4    version, 1
//	5    raft's type of entry
//	6    length of the extensions, 2 bytes
//	8    index
//	16   term
//	24   index of the first entry that was appended together with this one
//	32   time of the append, ns since the Unix epoch, 0 if unknown
//	40   extensions, data
//
// raft-wal has a checksum for each append but looks only at the last one's, and
// bbolt has none for its data; so every entry carries its own. Both stores get it
// as the data of a raft.Log: raft-wal 0.4.0 takes a codec, but forgets which one
// it was and refuses to open the log again.
const (
	codecVersion = 1
	codecHeader  = 40
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func encodedSize(log *raft.Log) int { return codecHeader + len(log.Extensions) + len(log.Data) }

// appendEntry encodes log, which is appended together with those from batch on.
func appendEntry(dst []byte, log *raft.Log, batch uint64) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0, codecVersion, byte(log.Type))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(log.Extensions)))
	dst = binary.LittleEndian.AppendUint64(dst, log.Index)
	dst = binary.LittleEndian.AppendUint64(dst, log.Term)
	dst = binary.LittleEndian.AppendUint64(dst, batch)
	var at int64
	if !log.AppendedAt.IsZero() {
		at = log.AppendedAt.UnixNano()
	}
	dst = binary.LittleEndian.AppendUint64(dst, uint64(at))
	dst = append(dst, log.Extensions...)
	dst = append(dst, log.Data...)
	binary.LittleEndian.PutUint32(dst[start:], crc32.Checksum(dst[start+4:], castagnoli))
	return dst
}

// wrap encodes logs, which are appended together, for a store.
func wrap(logs []*raft.Log) []*raft.Log {
	size := 0
	for _, log := range logs {
		size += encodedSize(log)
	}
	buf := make([]byte, 0, size)
	wrapped := make([]raft.Log, len(logs))
	out := make([]*raft.Log, len(logs))
	for i, log := range logs {
		from := len(buf)
		buf = appendEntry(buf, log, logs[0].Index)
		wrapped[i] = raft.Log{Index: log.Index, Term: log.Term, Type: log.Type, Data: buf[from:len(buf):len(buf)]}
		out[i] = &wrapped[i]
	}
	return out
}

// decodeEntry is the reverse of appendEntry. log points into b.
func decodeEntry(b []byte, log *raft.Log) (batch uint64, err error) {
	if len(b) < codecHeader {
		return 0, fmt.Errorf("%w: an entry of %d bytes", ErrDamaged, len(b))
	}
	if sum := crc32.Checksum(b[4:], castagnoli); sum != binary.LittleEndian.Uint32(b) {
		return 0, fmt.Errorf("%w: the entry's checksum is wrong", ErrDamaged)
	}
	if b[4] != codecVersion {
		return 0, fmt.Errorf("the entry has format %d, this program knows %d: upgrade raftkv", b[4], codecVersion)
	}
	extensions := int(binary.LittleEndian.Uint16(b[6:]))
	if codecHeader+extensions > len(b) {
		return 0, fmt.Errorf("%w: the entry is shorter than its extensions", ErrDamaged)
	}
	*log = raft.Log{
		Type:  raft.LogType(b[5]),
		Index: binary.LittleEndian.Uint64(b[8:]),
		Term:  binary.LittleEndian.Uint64(b[16:]),
	}
	if at := int64(binary.LittleEndian.Uint64(b[32:])); at != 0 {
		log.AppendedAt = time.Unix(0, at)
	}
	rest := b[codecHeader:]
	if extensions > 0 {
		log.Extensions = rest[:extensions:extensions]
	}
	log.Data = rest[extensions:]
	return binary.LittleEndian.Uint64(b[24:]), nil
}
