// Package history is what clients of a cluster have seen, and the judgement of
// it: whether each key's operations could have happened one after the other
// (Porcupine), each once. It is used by tests, and by programs that check a
// running cluster.
package history

import "math"

// Kind is what a step does to its key.
type Kind string

// The kinds of steps.
const (
	Get    Kind = "get"    // answers Found and Got
	Set    Kind = "set"    // to Value
	Append Kind = "append" // Value at the end; answers Number, the new length
	Swap   Kind = "swap"   // to Value if it is Old (SET IFEQ); answers Found: whether it was
	Delete Kind = "delete" // answers Found: whether the key was there
	Incr   Kind = "incr"   // by one; answers Number
	// Expire is what a deadline does, and nobody asks for: the key goes if it holds
	// Value. Its operation is called when it may happen and returns when it must have.
	Expire Kind = "expire"
)

// Step is one command of an operation, with what was answered.
type Step struct {
	Kind  Kind   `json:"op"`
	Key   string `json:"key"`
	Value string `json:"value,omitempty"`
	Old   string `json:"old,omitempty"`
	TTL   int64  `json:"ttl_ms,omitempty"` // of Set, for people: see Expire

	Found  bool   `json:"found,omitempty"`
	Got    string `json:"got,omitempty"`
	Number int64  `json:"number,omitempty"`
}

// Writes tells whether the step may change its key.
func (s *Step) Writes() bool { return s.Kind != Get }

// Operation is what one client asked at once and was told. Several steps are one
// EXEC: they happen next to each other.
type Operation struct {
	Client int    `json:"client"`
	Node   string `json:"node,omitempty"` // who answered, for people
	Note   string `json:"note,omitempty"` // for people
	Steps  []Step `json:"steps"`
	// Call and Return order operations in time: one that returned before another
	// was called happened before it. They may be nanoseconds, or any count that
	// goes on.
	Call   int64 `json:"call"`
	Return int64 `json:"return"`
	// At is when it was called, in ns since the history began, for people.
	At int64 `json:"at,omitempty"`
	// Unknown says that nobody knows whether it happened, or will yet. Its
	// answers mean nothing, and Return is Never.
	Unknown bool `json:"unknown,omitempty"`
}

// Never is when an operation returns whose outcome stays unknown.
const Never = math.MaxInt64

// Writes tells whether any step may change its key.
func (o *Operation) Writes() bool {
	for i := range o.Steps {
		if o.Steps[i].Writes() {
			return true
		}
	}
	return false
}

// Forget makes the outcome of o unknown.
func (o *Operation) Forget() { o.Unknown, o.Return = true, Never }
