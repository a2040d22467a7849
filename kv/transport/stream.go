package transport

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

// A snapshot follows its frame in chunks: length and CRC32C, 4 bytes each, then the
// data. The snapshot's own checksums would find a changed byte, too, but only when
// the follower restores it, and it would take that for damage of its own disk.
const (
	chunkHeader = 8
	chunkSize   = 256 << 10
)

// appendChunk appends a chunk to dst.
func appendChunk(dst, data []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(data)))
	dst = binary.BigEndian.AppendUint32(dst, crc32.Checksum(data, castagnoli))
	return append(dst, data...)
}

// chunkReader reads what was sent in chunks. Its errors last. Raft may go on reading when
// the connection's goroutine has given up, so only who reads learns of errors.
type chunkReader struct {
	r      io.Reader
	failed func(error)

	buf  []byte
	left []byte // of buf, verified and not read yet
	err  error
}

func (c *chunkReader) Read(b []byte) (int, error) {
	if len(c.left) == 0 && c.err == nil {
		if c.left, c.err = c.next(); c.err != nil {
			c.failed(c.err)
		}
	}
	if c.err != nil {
		return 0, c.err
	}
	n := copy(b, c.left)
	c.left = c.left[n:]
	return n, nil
}

func (c *chunkReader) next() ([]byte, error) {
	var header [chunkHeader]byte
	if _, err := io.ReadFull(c.r, header[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(header[:])
	if n == 0 || n > chunkSize {
		return nil, fmt.Errorf("%w: a chunk of %d bytes", ErrCorrupt, n)
	}
	if c.buf == nil {
		c.buf = make([]byte, chunkSize)
	}
	data := c.buf[:n]
	if _, err := io.ReadFull(c.r, data); err != nil {
		return nil, err
	}
	if crc32.Checksum(data, castagnoli) != binary.BigEndian.Uint32(header[4:]) {
		return nil, fmt.Errorf("%w: the checksum of a part of a snapshot is wrong", ErrCorrupt)
	}
	return data, nil
}
