package transport

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"raftkv/kv"
)

// A connection begins with a hello: "RKV1", then the dialer's cluster and node,
// each as length byte and text. The other side answers with a byte: 0, or 1 and
// the reason for its refusal as two length bytes and text. Then frames follow in
// both directions, big endian:
//
//	0   length of what follows, 4 bytes
//	4   kind: 0 request, 1 answer, 2 error, 3 error for a client
//	5   method
//	6   group, or for a call its method, 4 bytes
//	10  number of the request, 8 bytes
//	18  payload
const (
	helloMagic  = "RKV1"
	frameHeader = 18
	// maxFrame bounds what a damaged length makes a node allocate. A frame has
	// at most 64 entries of 512 KiB, or one larger one.
	maxFrame = 256 << 20
)

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
	dst = build(dst)
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst
}

// readFrame reads the next frame. Its payload is the caller's.
func readFrame(r *bufio.Reader) (frame, error) {
	header, err := r.Peek(frameHeader)
	if err != nil {
		return frame{}, err
	}
	n := binary.BigEndian.Uint32(header)
	if n < frameHeader-4 || n > maxFrame {
		return frame{}, fmt.Errorf("a frame of %d bytes", n)
	}
	f := frame{
		kind: frameKind(header[4]), method: method(header[5]),
		group: binary.BigEndian.Uint32(header[6:]), id: binary.BigEndian.Uint64(header[10:]),
	}
	r.Discard(frameHeader) // what was peeked
	f.payload = make([]byte, n-(frameHeader-4))
	_, err = io.ReadFull(r, f.payload)
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
