package transport

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

// A connection begins with the dialer's hello: "RKV2", a byte of flags, its cluster
// and node, each as length byte and text, and the CRC32C of all that, big endian.
// The other side answers with a frame without payload, or with its refusal.
const helloMagic = "RKV2"

// helloControl marks a connection for Transport.Control: no fault is injected there.
const helloControl = 1

// hello is who dials, and what for.
type hello struct {
	control       bool
	cluster, node string
}

func (h hello) append(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, helloMagic...)
	flags := byte(0)
	if h.control {
		flags |= helloControl
	}
	dst = append(dst, flags, byte(len(h.cluster)))
	dst = append(dst, h.cluster...)
	dst = append(dst, byte(len(h.node)))
	dst = append(dst, h.node...)
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// readHello reads a hello. It fails early if the other side is no raftkv node.
func readHello(r *bufio.Reader) (h hello, err error) {
	seen := make([]byte, len(helloMagic)+1)
	if _, err := io.ReadFull(r, seen); err != nil {
		return h, err
	}
	if magic := seen[:len(helloMagic)]; string(magic) != helloMagic {
		return h, fmt.Errorf("it is no raftkv node of this version: it said %q", magic)
	}
	h.control = seen[len(helloMagic)]&helloControl != 0
	for _, word := range []*string{&h.cluster, &h.node} {
		n, err := r.ReadByte()
		if err != nil {
			return h, err
		}
		text := make([]byte, n)
		if _, err := io.ReadFull(r, text); err != nil {
			return h, err
		}
		seen = append(append(seen, n), text...)
		*word = string(text)
	}
	var sum [4]byte
	if _, err := io.ReadFull(r, sum[:]); err != nil {
		return h, err
	}
	if binary.BigEndian.Uint32(sum[:]) != crc32.Checksum(seen, castagnoli) {
		return h, fmt.Errorf("%w: the checksum of a hello is wrong", ErrCorrupt)
	}
	return h, nil
}
