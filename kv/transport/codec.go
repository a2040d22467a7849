package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// Raft's messages are encoded by hand, numbers as uvarints and byte strings with
// their length. A request begins with the raft id of the replica it is for.
// Entries are not copied when they are decoded: they point into the frame.

var errShort = errors.New("a raft message is cut off")

// coder reads fields until something is wrong.
type coder struct {
	b   []byte
	bad bool
}

func (c *coder) number() uint64 {
	n, size := binary.Uvarint(c.b)
	if size <= 0 {
		c.bad, c.b = true, nil
		return 0
	}
	c.b = c.b[size:]
	return n
}

func (c *coder) bytes() []byte {
	n := c.number()
	if c.bad || n > uint64(len(c.b)) {
		c.bad, c.b = true, nil
		return nil
	}
	out := c.b[:n:n]
	c.b = c.b[n:]
	if n == 0 {
		return nil
	}
	return out
}

func (c *coder) bool() bool { return c.number() != 0 }

func (c *coder) header() raft.RPCHeader {
	return raft.RPCHeader{ProtocolVersion: raft.ProtocolVersion(c.number()), ID: c.bytes(), Addr: c.bytes()}
}

func (c *coder) err() error {
	if c.bad {
		return errShort
	}
	return nil
}

func putNumber(dst []byte, n uint64) []byte { return binary.AppendUvarint(dst, n) }

func putBytes[T ~string | ~[]byte](dst []byte, b T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

func putBool(dst []byte, b bool) []byte {
	if b {
		return append(dst, 1)
	}
	return append(dst, 0)
}

func putHeader(dst []byte, h raft.RPCHeader) []byte {
	return putBytes(putBytes(putNumber(dst, uint64(h.ProtocolVersion)), h.ID), h.Addr)
}

func encodeAppend(dst []byte, target raft.ServerID, a *raft.AppendEntriesRequest) []byte {
	dst = putHeader(putBytes(dst, target), a.RPCHeader)
	for _, n := range []uint64{a.Term, a.PrevLogEntry, a.PrevLogTerm, a.LeaderCommitIndex, uint64(len(a.Entries))} {
		dst = putNumber(dst, n)
	}
	for _, e := range a.Entries {
		var at uint64
		if !e.AppendedAt.IsZero() {
			at = uint64(e.AppendedAt.UnixNano())
		}
		dst = putNumber(putNumber(putNumber(putNumber(dst, e.Index), e.Term), uint64(e.Type)), at)
		dst = putBytes(putBytes(dst, e.Extensions), e.Data)
	}
	return dst
}

func decodeAppend(c *coder) *raft.AppendEntriesRequest {
	a := &raft.AppendEntriesRequest{
		RPCHeader: c.header(), Term: c.number(), PrevLogEntry: c.number(), PrevLogTerm: c.number(), LeaderCommitIndex: c.number(),
	}
	a.Leader = a.Addr
	n := c.number()
	if n > uint64(len(c.b)) { // an entry has more than one byte
		c.bad = true
		return a
	}
	logs := make([]raft.Log, n)
	for i := range logs {
		e := &logs[i]
		e.Index, e.Term, e.Type = c.number(), c.number(), raft.LogType(c.number())
		if at := c.number(); at != 0 {
			e.AppendedAt = time.Unix(0, int64(at))
		}
		e.Extensions, e.Data = c.bytes(), c.bytes()
		a.Entries = append(a.Entries, e)
	}
	return a
}

// heartbeatLimit is the size of a heartbeat at most; entries are larger, and
// decoding them twice would cost more than it spares.
const heartbeatLimit = 512

// decodeHeartbeat returns the request if it is a heartbeat for replica, else nil.
func decodeHeartbeat(b []byte, replica raft.ServerID) (*raft.AppendEntriesRequest, error) {
	if len(b) > heartbeatLimit {
		return nil, nil
	}
	c := &coder{b: b}
	if raft.ServerID(c.bytes()) != replica {
		return nil, nil
	}
	a := decodeAppend(c)
	if c.bad || !isHeartbeat(a) {
		return nil, c.err()
	}
	return a, nil
}

func encodeVote(dst []byte, target raft.ServerID, v *raft.RequestVoteRequest) []byte {
	dst = putHeader(putBytes(dst, target), v.RPCHeader)
	return putBool(putNumber(putNumber(putNumber(dst, v.Term), v.LastLogIndex), v.LastLogTerm), v.LeadershipTransfer)
}

func encodePreVote(dst []byte, target raft.ServerID, v *raft.RequestPreVoteRequest) []byte {
	dst = putHeader(putBytes(dst, target), v.RPCHeader)
	return putNumber(putNumber(putNumber(dst, v.Term), v.LastLogIndex), v.LastLogTerm)
}

func encodeTimeoutNow(dst []byte, target raft.ServerID, v *raft.TimeoutNowRequest) []byte {
	return putHeader(putBytes(dst, target), v.RPCHeader)
}

func encodeSnapshot(dst []byte, target raft.ServerID, v *raft.InstallSnapshotRequest) []byte {
	dst = putHeader(putBytes(dst, target), v.RPCHeader)
	dst = putNumber(putNumber(dst, uint64(v.SnapshotVersion)), v.Term)
	dst = putNumber(putNumber(dst, v.LastLogIndex), v.LastLogTerm)
	dst = putBytes(putBytes(dst, v.Peers), v.Configuration)
	return putNumber(putNumber(dst, v.ConfigurationIndex), uint64(v.Size))
}

// decodeRequest returns whom a request is for and what raft shall get.
func decodeRequest(m method, b []byte) (raft.ServerID, any, error) {
	c := &coder{b: b}
	target := raft.ServerID(c.bytes())
	var command any
	switch m {
	case methodAppend:
		command = decodeAppend(c)
	case methodVote:
		v := &raft.RequestVoteRequest{RPCHeader: c.header(), Term: c.number(), LastLogIndex: c.number(), LastLogTerm: c.number(), LeadershipTransfer: c.bool()}
		v.Candidate = v.Addr
		command = v
	case methodPreVote:
		command = &raft.RequestPreVoteRequest{RPCHeader: c.header(), Term: c.number(), LastLogIndex: c.number(), LastLogTerm: c.number()}
	case methodTimeoutNow:
		command = &raft.TimeoutNowRequest{RPCHeader: c.header()}
	case methodSnapshot:
		s := &raft.InstallSnapshotRequest{RPCHeader: c.header(), SnapshotVersion: raft.SnapshotVersion(c.number()), Term: c.number(),
			LastLogIndex: c.number(), LastLogTerm: c.number(), Peers: c.bytes(), Configuration: c.bytes(),
			ConfigurationIndex: c.number(), Size: int64(c.number())}
		s.Leader = s.Addr
		command = s
	default:
		return "", nil, fmt.Errorf("raft message %d is not known", m)
	}
	return target, command, c.err()
}

func encodeAnswer(response any) ([]byte, error) {
	switch r := response.(type) {
	case *raft.AppendEntriesResponse:
		dst := putHeader(nil, r.RPCHeader)
		return putBool(putBool(putNumber(putNumber(dst, r.Term), r.LastLog), r.Success), r.NoRetryBackoff), nil
	case *raft.RequestVoteResponse:
		return putBool(putNumber(putHeader(nil, r.RPCHeader), r.Term), r.Granted), nil
	case *raft.RequestPreVoteResponse:
		return putBool(putNumber(putHeader(nil, r.RPCHeader), r.Term), r.Granted), nil
	case *raft.TimeoutNowResponse:
		return putHeader(nil, r.RPCHeader), nil
	case *raft.InstallSnapshotResponse:
		return putBool(putNumber(putHeader(nil, r.RPCHeader), r.Term), r.Success), nil
	}
	return nil, fmt.Errorf("raft answered with a %T", response)
}

func decodeAppendAnswer(b []byte, r *raft.AppendEntriesResponse) error {
	c := &coder{b: b}
	*r = raft.AppendEntriesResponse{RPCHeader: c.header(), Term: c.number(), LastLog: c.number(), Success: c.bool(), NoRetryBackoff: c.bool()}
	return c.err()
}

func decodeVoteAnswer(b []byte, r *raft.RequestVoteResponse) error {
	c := &coder{b: b}
	*r = raft.RequestVoteResponse{RPCHeader: c.header(), Term: c.number(), Granted: c.bool()}
	return c.err()
}

func decodePreVoteAnswer(b []byte, r *raft.RequestPreVoteResponse) error {
	c := &coder{b: b}
	*r = raft.RequestPreVoteResponse{RPCHeader: c.header(), Term: c.number(), Granted: c.bool()}
	return c.err()
}

func decodeTimeoutNowAnswer(b []byte, r *raft.TimeoutNowResponse) error {
	c := &coder{b: b}
	*r = raft.TimeoutNowResponse{RPCHeader: c.header()}
	return c.err()
}

func decodeSnapshotAnswer(b []byte, r *raft.InstallSnapshotResponse) error {
	c := &coder{b: b}
	*r = raft.InstallSnapshotResponse{RPCHeader: c.header(), Term: c.number(), Success: c.bool()}
	return c.err()
}
