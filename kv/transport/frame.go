package transport

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"raftkv/kv"
)

// A connection begins with a hello (hello.go), which is answered by a frame. Then
// frames follow in both directions, big endian:
//
//	0   length of what follows, 4 bytes
//	4   kind: 0 request, 1 answer, 2 error, 3 error for a client
//	5   method
//	6   group, or for a call its method, 4 bytes
//	10  number of the request, 8 bytes
//	18  CRC32C of the payload
//	22  CRC32C of the 22 bytes before
//	26  payload
//
// TCP's own checksum has 16 bits, and what lies between two nodes recomputes it: a
// byte that flips there would else be executed, by the replica that got it alone. The header
// has a checksum of its own because a wrong length would be waited for, and with it
// for all that follows on the connection.
const (
	frameHeader = 26
	// maxFrame bounds what a damaged length makes a node allocate. A frame has
	// at most 64 entries of 512 KiB, or one larger one.
	maxFrame = 256 << 20
)

// ErrCorrupt: bytes have changed on their way between two nodes. The connection is
// closed, and what was under way on it fails as when it breaks.
var ErrCorrupt = errors.New("a message was changed on its way")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type frameKind uint8

const (
	request frameKind = iota
	answer
	failure
	clientFailure
)

type method uint8

const (
	methodAppend method = iota + 1
	methodVote
	methodPreVote
	methodTimeoutNow
	methodSnapshot
	methodCall
	methodBeats
)

// RemoteError is what another node answered instead of a result.
type RemoteError string

func (e RemoteError) Error() string { return string(e) }

type frame struct {
	kind    frameKind
	method  method
	group   uint32
	id      uint64
	payload []byte
}

// appendFrame encodes a frame whose payload build appends.
func appendFrame(dst []byte, f frame, build func([]byte) []byte) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0, byte(f.kind), byte(f.method))
	dst = binary.BigEndian.AppendUint32(dst, f.group)
	dst = binary.BigEndian.AppendUint64(dst, f.id)
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
	dst = build(dst)
	header, payload := dst[start:start+frameHeader], dst[start+frameHeader:]
	binary.BigEndian.PutUint32(header, uint32(len(dst)-start-4))
	binary.BigEndian.PutUint32(header[18:], crc32.Checksum(payload, castagnoli))
	binary.BigEndian.PutUint32(header[22:], crc32.Checksum(header[:22], castagnoli))
	return dst
}

// readFrame reads the next frame. Its payload is the caller's. Bytes that are not
// those that were sent are ErrCorrupt.
func readFrame(r *bufio.Reader) (frame, error) {
	header, err := r.Peek(frameHeader)
	if err != nil {
		return frame{}, err
	}
	if crc32.Checksum(header[:22], castagnoli) != binary.BigEndian.Uint32(header[22:]) {
		return frame{}, fmt.Errorf("%w: the checksum of a frame's header is wrong", ErrCorrupt)
	}
	n, sum := binary.BigEndian.Uint32(header), binary.BigEndian.Uint32(header[18:])
	if n < frameHeader-4 || n > maxFrame {
		return frame{}, fmt.Errorf("a frame of %d bytes", n)
	}
	f := frame{
		kind: frameKind(header[4]), method: method(header[5]),
		group: binary.BigEndian.Uint32(header[6:]), id: binary.BigEndian.Uint64(header[10:]),
	}
	r.Discard(frameHeader) // what was peeked
	f.payload = make([]byte, n-(frameHeader-4))
	if _, err = io.ReadFull(r, f.payload); err == nil && crc32.Checksum(f.payload, castagnoli) != sum {
		err = fmt.Errorf("%w: the checksum of a frame of %d bytes is wrong", ErrCorrupt, n)
	}
	return f, err
}

// encodeError tells how an error travels.
func encodeError(err error) (frameKind, string) {
	var reply kv.ReplyError
	if errors.As(err, &reply) {
		return clientFailure, string(reply)
	}
	return failure, err.Error()
}

// result is the reverse, for an answer.
func (f *frame) result() ([]byte, error) {
	switch f.kind {
	case answer:
		return f.payload, nil
	case clientFailure:
		return nil, kv.ReplyError(f.payload)
	}
	return nil, RemoteError(f.payload)
}
