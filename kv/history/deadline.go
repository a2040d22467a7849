package history

import "github.com/anishathalye/porcupine"

// A deadline is an operation with a long time to happen in, and nothing tells when
// it did, or that it did nothing because the key held something else by then. With
// some forty of them open a search that finds a mistake late, as when one SET hung
// for seconds, tries each of them at each moment, with 2^40 outcomes that are all
// the same. So where a key is only ever set and read, deadlines are put to the
// search in a way that asks the same and leaves nothing to try:
//
//   - A deadline need not happen, and is in the order only where it takes its value
//     away.
//   - Then somebody must see the key gone before it is set again: an order in which
//     nobody does is as good without that deadline.
//   - That a deadline must have happened by its return is left to the reads: one that
//     was asked later and answered the value cannot be explained. Where a deadline
//     may come before the SET itself it proves nothing, and this is not asked.
const (
	unseen = "\x00unseen" // a deadline has taken the key, and nobody has seen that
	closed = "\x00closed" // what did not happen until now, does not
)

// input is an operation as the model gets it.
type input struct {
	*Operation
	optional bool // a deadline that need not happen
	late     bool // a read of what had to be gone
	end      bool // no operation: behind it, deadlines do not happen any more
}

// inputs makes Porcupine's operations. Reads with unknown outcome tell nothing.
func inputs(ops []Operation, start contents) []porcupine.Operation {
	list, simple := make([]porcupine.Operation, 0, len(ops)+1), onlySetAndRead(ops, start)
	gone := make(map[string]int64) // by value: when it must have been gone
	if simple {
		gone = goneBy(ops)
	}
	optional, most := false, 0
	for i := range ops {
		o := &ops[i]
		if o.Unknown && !o.Writes() {
			continue
		}
		in, end := input{Operation: o}, o.Return
		switch {
		case !simple:
		case o.Steps[0].Kind == Expire:
			in.optional, end, optional = true, Never, true
		case o.Steps[0].Kind == Get && o.Steps[0].Found:
			by, known := gone[o.Steps[0].Got]
			in.late = known && o.Call > by
		}
		most = max(most, o.Client)
		list = append(list, porcupine.Operation{ClientId: o.Client, Input: in, Call: o.Call, Return: end})
	}
	if optional {
		list = append(list, porcupine.Operation{ClientId: most + 1, Input: input{end: true}, Call: Never - 1, Return: Never})
	}
	return list
}

// onlySetAndRead tells whether the operations are on one key which, but for
// deadlines, is only set and read, and holds each value once.
func onlySetAndRead(ops []Operation, start contents) bool {
	set, ends := make(map[string]bool), make(map[string]bool)
	for _, held := range start {
		set[held] = true
	}
	for i := range ops {
		if len(ops[i].Steps) != 1 || ops[i].Steps[0].Key != ops[0].Steps[0].Key {
			return false
		}
		s, once := &ops[i].Steps[0], set
		switch s.Kind {
		case Get:
			continue
		case Set:
		case Expire:
			once = ends
		default:
			return false
		}
		if once[s.Value] {
			return false
		}
		once[s.Value] = true
	}
	return len(ends) > 0
}

// goneBy returns when values must have been gone, for those that were set before
// their deadline could happen.
func goneBy(ops []Operation) map[string]int64 {
	set, gone := make(map[string]int64), make(map[string]int64)
	for i := range ops {
		if s := &ops[i].Steps[0]; s.Kind == Set {
			set[s.Value] = ops[i].Return
		}
	}
	for i := range ops {
		s := &ops[i].Steps[0]
		if at, found := set[s.Value]; s.Kind == Expire && found && ops[i].Call > at {
			gone[s.Value] = ops[i].Return
		}
	}
	return gone
}

// step is Operation.step with what is said above.
func (in input) step(c contents) (bool, contents) {
	switch {
	case in.end:
		return true, contents{closed: ""}
	case in.late:
		return false, c
	}
	if _, over := c[closed]; over {
		return in.optional || in.Unknown, c
	}
	_, hidden := c[unseen]
	s := &in.Steps[0]
	switch {
	case in.optional:
		held, found := c[s.Key]
		return found && held == s.Value, contents{unseen: ""}
	case hidden && s.Kind == Set:
		return false, c
	case hidden:
		c = nil // it is a read, which sees it
	}
	return in.Operation.step(c)
}

func (in input) String() string {
	if in.end {
		return "the end of what is known"
	}
	return in.Operation.String()
}
