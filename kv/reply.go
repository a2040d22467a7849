// Package kv holds the words that every part of a node shares: replies,
// outcomes and the status of a cluster. It does no I/O.
package kv

import (
	"bytes"
	"slices"
	"strconv"
)

// Kind is the type of a Reply. It follows RESP3; how a kind looks in RESP2 is
// the business of package resp.
type Kind uint8

// The kinds of replies.
const (
	Nil      Kind = iota // no value: _ in RESP3, $-1 in RESP2
	NilArray             // no list: _ in RESP3, *-1 in RESP2 (an aborted EXEC)
	Simple               // a status such as OK; Str
	Error                // an error, its first word is the code; Str
	Int                  // Int
	Bulk                 // bytes; Str
	Double               // Str holds the number as Redis prints it
	Bool                 // Int is 0 or 1; an integer in RESP2
	Verbatim             // Str with format "txt"; a bulk string in RESP2
	Array                // Elems
	Set                  // Elems; an array in RESP2
	Map                  // Elems: key, value, key, value; a flat array in RESP2
)

// Reply is what a command answers, independent of the protocol version in
// which a connection wants it. A Reply and all that it refers to is immutable
// once made. It may point into the store, which keeps a block of the store's memory
// from being given back: who keeps it for long keeps a Clone.
type Reply struct {
	Kind  Kind
	Int   int64
	Str   []byte
	Elems []Reply
}

// OK is the reply of commands that have nothing to say but success.
var OK = Reply{Kind: Simple, Str: []byte("OK")}

// IntReply makes an integer reply.
func IntReply(n int64) Reply { return Reply{Kind: Int, Int: n} }

// BoolInt makes the integer reply 1 or 0.
func BoolInt(b bool) Reply {
	if b {
		return Reply{Kind: Int, Int: 1}
	}
	return Reply{Kind: Int}
}

// BulkReply makes a bulk reply of b, which must not change afterwards.
func BulkReply(b []byte) Reply { return Reply{Kind: Bulk, Str: b} }

// BulkString makes a bulk reply of s.
func BulkString(s string) Reply { return Reply{Kind: Bulk, Str: []byte(s)} }

// SimpleReply makes a status reply.
func SimpleReply(s string) Reply { return Reply{Kind: Simple, Str: []byte(s)} }

// ArrayReply makes an array of elems.
func ArrayReply(elems ...Reply) Reply { return Reply{Kind: Array, Elems: elems} }

// ErrorReply makes an error reply; text begins with its code, such as "ERR".
func ErrorReply(text string) Reply { return Reply{Kind: Error, Str: []byte(text)} }

// Err returns the reply's error, or nil if it is not an error.
func (r *Reply) Err() error {
	if r.Kind != Error {
		return nil
	}
	return ReplyError(r.Str)
}

// Clone returns a reply with memory of its own.
func (r Reply) Clone() Reply {
	r.Str = bytes.Clone(r.Str)
	r.Elems = slices.Clone(r.Elems)
	for i, e := range r.Elems {
		r.Elems[i] = e.Clone()
	}
	return r
}

// String shows a reply to people, in logs and test failures.
func (r Reply) String() string {
	switch r.Kind {
	case Nil, NilArray:
		return "(nil)"
	case Int, Bool:
		return strconv.FormatInt(r.Int, 10)
	case Error:
		return "(error) " + string(r.Str)
	case Array, Set, Map:
		s := "["
		for i, e := range r.Elems {
			if i > 0 {
				s += " "
			}
			s += e.String()
		}
		return s + "]"
	case Bulk:
		return strconv.Quote(string(r.Str))
	default:
		return string(r.Str)
	}
}
