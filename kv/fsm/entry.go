package fsm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"raftkv/kv/resp"
)

// A raft entry of a group, byte by byte:
//
//	0      format version, 1
//	1      kind
//	2..9   the proposing leader's clock, ms since the Unix epoch, big endian
//	10..   commands as RESP arrays, just as clients sent them
//
// So the log stays readable: any tool that knows RESP can show its commands.
const (
	entryVersion = 1
	entryHeader  = 10
)

// EntryKind says what an entry is for.
type EntryKind uint8

// The kinds of entries.
const (
	// Commands carries clients' commands.
	Commands EntryKind = 1
	// Barrier carries nothing. A new leader proposes one: once it is applied,
	// all that earlier terms committed is applied too.
	Barrier EntryKind = 2
	// Tick carries nothing but the clock: it lets keys and sessions expire.
	Tick EntryKind = 3
	// Admin carries the group's own commands (see admin.go): who owns which
	// slot, where nodes listen. Clients cannot propose them.
	Admin EntryKind = 4
)

func (k EntryKind) String() string {
	switch k {
	case Commands:
		return "commands"
	case Barrier:
		return "barrier"
	case Tick:
		return "tick"
	case Admin:
		return "admin"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Errors of decoding an entry.
var (
	// ErrVersion: the entry was written by a newer program. A replica must stop
	// before it applies anything, because it would diverge.
	ErrVersion = errors.New("entry has an unknown format version")
	// ErrMalformed: the entry does not decode. Every replica sees the same
	// bytes and answers the same error, so the state stays equal.
	ErrMalformed = errors.New("malformed entry")
)

// Entry is a decoded raft entry. Payload points into the entry's bytes.
type Entry struct {
	Kind    EntryKind
	Clock   int64 // the leader's clock in ms
	Payload []byte
}

// AppendHeader begins an entry: the payload is to be appended behind it.
func AppendHeader(dst []byte, kind EntryKind, clock int64) []byte {
	dst = append(dst, entryVersion, byte(kind))
	return binary.BigEndian.AppendUint64(dst, uint64(clock))
}

// DecodeEntry splits data into header and payload. It fails with ErrVersion or
// ErrMalformed.
func DecodeEntry(data []byte) (Entry, error) {
	if len(data) == 0 {
		return Entry{}, fmt.Errorf("%w: it is empty", ErrMalformed)
	}
	if data[0] != entryVersion {
		return Entry{}, fmt.Errorf("%w %d; this program knows %d: upgrade raftkv on this node", ErrVersion, data[0], entryVersion)
	}
	if len(data) < entryHeader {
		return Entry{}, fmt.Errorf("%w: %d bytes are no header", ErrMalformed, len(data))
	}
	e := Entry{Kind: EntryKind(data[1]), Clock: int64(binary.BigEndian.Uint64(data[2:entryHeader])), Payload: data[entryHeader:]}
	if e.Kind < Commands || e.Kind > Admin {
		// A kind that only a newer program knows would be skipped here and
		// applied there: as bad as an unknown version.
		return Entry{}, fmt.Errorf("%w: %s", ErrVersion, e.Kind)
	}
	return e, nil
}

// EachCommand calls fn for every command of a payload, in order. The slice of
// arguments is used again for the next one. A malformed rest ends with
// ErrMalformed, after the commands before it.
func EachCommand(payload []byte, fn func(args [][]byte)) error {
	var space [16][]byte
	args := space[:0]
	for len(payload) > 0 {
		var n int
		var err error
		args, n, err = resp.ParseCommand(payload, args, math.MaxInt32)
		if err != nil {
			return fmt.Errorf("%w: %v", ErrMalformed, err)
		}
		payload = payload[n:]
		if len(args) > 0 {
			fn(args)
		}
	}
	return nil
}
