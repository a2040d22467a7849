// Package filter decides which lines of a log are shown. A condition looks at a
// whole event; beside that it may know what the bytes of a line must hold, so
// that most lines are refused by a search in memory, before anything is parsed.
package filter

import (
	"raftkv/cmd/logfilter/event"
)

// Cond is a condition on an event.
//
// The fields beside Keep are hints. They may let lines through that Keep
// refuses, and never refuse a line that Keep lets through.
type Cond struct {
	Keep func(e *event.Event) bool

	// Field names a field of Event or an attribute that the line must have, with
	// a value that Accept accepts. Accept gets a value that has no escapes,
	// without its quotes. "" if nothing is known.
	Field  string
	Accept func(value []byte) bool

	// FromFile: the event's node may be the file's, without a word in the line.
	FromFile func(node string) bool

	// Literal must be somewhere in the line, as it stands there; "" if nothing
	// is known. Decoded says that it is part of a decoded value, so that in the
	// line it may be hidden by escapes.
	Literal string
	Decoded bool
}

// Filter is what the user asked for: all its conditions must hold.
type Filter struct {
	Conds []Cond
	// Query is nil if there was no expression.
	Query *Query
	// Since and Until bound the time of events, both included.
	Since, Until int64
	// Skew is added to the times of a node's events, in nanoseconds.
	Skew map[string]int64
}

// InRange reports whether t is in the time that was asked for.
func (f *Filter) InRange(t int64) bool { return t >= f.Since && t <= f.Until }

// MaxSkew is the largest correction of a clock either way.
func (f *Filter) MaxSkew() int64 {
	most := int64(0)
	for _, d := range f.Skew {
		most = max(most, d, -d)
	}
	return most
}
