// Package linearizability checks histories of concurrent clients under faults
// with Porcupine: each key's operations must have an order that explains every
// reply.
package linearizability

import (
	"fmt"
	"math"
	"time"

	"github.com/anishathalye/porcupine"
)

// Kind is what an operation does.
type Kind uint8

// The kinds of operations.
const (
	Get Kind = iota
	Set
	Append  // adds Value at the end
	Swap    // compare and set: Value if the key holds Old
	Delete  // returns whether the key was there
	SetOnce // as Set, in a session
)

// Input is an operation on a key. Values are unique in a history, so that an
// explanation leaves no choice.
type Input struct {
	Kind       Kind
	Key        string
	Value, Old string
	Follower   bool // a READONLY read of a follower
}

// Output is what came back.
type Output struct {
	Unknown bool // the operation may have happened, or may happen yet
	Found   bool // of Get and Delete; whether Swap has swapped
	Value   string
	Length  int // of Append
}

// state is what a key holds.
type state struct {
	Found bool
	Value string
}

// Model is a key as a sequential object.
var Model = porcupine.Model{
	Init: func() any { return state{} },
	Step: func(s, in, out any) (bool, any) {
		return step(s.(state), in.(Input), out.(Output))
	},
	Equal:             func(a, b any) bool { return a == b },
	DescribeOperation: func(in, out any) string { return describe(in.(Input), out.(Output)) },
	DescribeState:     func(s any) string { return fmt.Sprintf("%+v", s) },
}

func step(s state, in Input, out Output) (bool, any) {
	switch in.Kind {
	case Get:
		return out.Unknown || out.Found == s.Found && out.Value == s.Value, s
	case Set, SetOnce:
		return true, state{true, in.Value}
	case Append:
		next := state{true, s.Value + in.Value}
		return out.Unknown || out.Length == len(next.Value), next
	case Swap:
		swaps := s.Found && s.Value == in.Old
		if swaps {
			return out.Unknown || out.Found, state{true, in.Value}
		}
		return out.Unknown || !out.Found, s
	case Delete:
		return out.Unknown || out.Found == s.Found, state{}
	}
	panic("unknown kind")
}

func describe(in Input, out Output) string {
	name := [...]string{"get", "set", "append", "swap", "delete", "set once"}[in.Kind]
	if in.Follower {
		name = "follower get"
	}
	text := fmt.Sprintf("%s(%s", name, in.Key)
	if in.Kind == Swap {
		text += ", " + in.Old
	}
	if in.Value != "" {
		text += ", " + in.Value
	}
	text += ") -> "
	switch {
	case out.Unknown:
		return text + "?"
	case in.Kind == Get && !out.Found:
		return text + "nil"
	case in.Kind == Get:
		return text + out.Value
	case in.Kind == Append:
		return text + fmt.Sprint(out.Length)
	}
	return text + fmt.Sprint(out.Found)
}

// Never is when an operation returns whose outcome stays unknown: it may take
// effect at any time after its call.
const Never = math.MaxInt64

// Check judges the history of one key. It gives up, as Unknown, after timeout.
func Check(history []porcupine.Operation, timeout time.Duration) (porcupine.CheckResult, porcupine.LinearizationInfo) {
	return porcupine.CheckOperationsVerbose(Model, history, timeout)
}
