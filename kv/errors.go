package kv

import (
	"fmt"
	"strings"
)

// ReplyError is an error as a client sees it: its first word is the code.
//
// Every failure is one of two kinds. A definite error says that nothing was
// done and nothing will be. UNCERTAIN says that the outcome is unknown: the
// write may have taken effect, or may still do so.
type ReplyError string

func (e ReplyError) Error() string { return string(e) }

// Code returns the first word, such as "MOVED" or "ERR".
func (e ReplyError) Code() string {
	code, _, _ := strings.Cut(string(e), " ")
	return code
}

// Uncertain tells whether the command may have taken effect all the same.
func (e ReplyError) Uncertain() bool { return e.Code() == "UNCERTAIN" }

// Definite errors: nothing was done.
const (
	ErrNoLeader    ReplyError = "CLUSTERDOWN no leader is known for this slot now; try again"
	ErrNotReady    ReplyError = "CLUSTERDOWN the leader is not ready to serve yet; try again"
	ErrNoQuorum    ReplyError = "CLUSTERDOWN leadership could not be confirmed by a quorum; try again"
	ErrClosing     ReplyError = "CLUSTERDOWN this node is shutting down; try again"
	ErrUnserved    ReplyError = "CLUSTERDOWN Hash slot not served"
	ErrBusy        ReplyError = "BUSY too many commands wait for this group; try again later"
	ErrOutOfMemory ReplyError = "OOM command not allowed when used memory > 'maxmemory'."
	ErrDiskFull    ReplyError = "ERR the node's disk is nearly full; writes are refused until space returns"
	ErrCrossSlot   ReplyError = "CROSSSLOT Keys in request don't hash to the same slot"
)

// ErrUncertain: the entry was handed to raft and its fate is not known.
const ErrUncertain ReplyError = "UNCERTAIN the outcome is unknown: the write may or may not take effect"

// Uncertain makes an UNCERTAIN error with the reason.
func Uncertain(reason error) ReplyError {
	return ReplyError(fmt.Sprintf("%s (%v)", ErrUncertain, reason))
}

// Moved says who serves slot; addr is the Redis address host:port.
func Moved(slot uint16, addr string) ReplyError {
	return ReplyError(fmt.Sprintf("MOVED %d %s", slot, addr))
}

// Reply turns an error into the reply that carries it.
func (e ReplyError) Reply() Reply { return Reply{Kind: Error, Str: []byte(e)} }
