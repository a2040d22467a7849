// Package event holds what a line of any log is once it is understood: the form
// that filters, views and everything else behind the parsers work with.
package event

// Number is a field that may be absent. Group 0 exists (the controller's), so
// zero cannot stand for absent.
type Number struct {
	Value uint64
	Set   bool
}

// Event is one line of a log. Its text belongs to the event: nothing changes it
// later, so an event may be kept as long as it is needed.
type Event struct {
	// Raw is the line as it stands in the file, without its line end.
	Raw []byte

	// Time is in nanoseconds since 1970, UTC, corrected by what --skew says of
	// the node. A line without a time has that of the line before, and 0 if there
	// is none. Logs that count from their start (see Relative) count here from 0.
	Time    int64
	HasTime bool // the line itself has a time

	Level Level
	Node  string // the line's, else the file's
	Topic string // as written in the line
	Group Number
	Term  Number
	Index Number
	Msg   string

	// Rest reads the other fields out of Raw. It is nil for text, whose Msg is
	// all of the line.
	Rest Fields

	// Stream is the number of the log it comes from: a file with its rotated
	// predecessors.
	Stream int

	// Context is set on an event that no filter chose: it stands beside one that
	// was chosen.
	Context bool
}

// Fields reads the fields of a line that have no place of their own in Event.
// Implementations keep no state and may be used concurrently.
type Fields interface {
	// Attrs calls yield with each field of line in its order until yield
	// returns false. Name and text may share memory with line.
	Attrs(line []byte, yield func(name string, v Value) bool)
}

// Attrs calls yield with the fields beside those of Event itself, in the order
// of the line, until yield returns false.
func (e *Event) Attrs(yield func(name string, v Value) bool) {
	if e.Rest != nil {
		e.Rest.Attrs(e.Raw, yield)
	}
}

// Attr returns the field of that name. If a line has it twice the last counts,
// as everywhere in JSON.
func (e *Event) Attr(name string) (v Value, there bool) {
	e.Attrs(func(n string, found Value) bool {
		if n == name {
			v, there = found, true
		}
		return true
	})
	return v, there
}

// Relative reports whether t counts from the start of a log without dates, as
// those of course projects do. No Raft was written in 1970.
func Relative(t int64) bool { return t < 366*24*3600*1e9 }

// Kind says what a value was in the line.
type Kind uint8

// The kinds of values.
const (
	String Kind = iota // text
	Num                // a number, as text
	Other              // true, false, null, an array or an object, as in the line
)

// Value is the value of a field.
type Value struct {
	Kind Kind
	Text string // decoded: without quotes and escapes
}
