// Package format reads lines of logs: raftkv's and other JSON lines, logfmt,
// hclog's text, and the plain lines of course projects. Which of them a file
// holds is found out from its first lines.
//
// A line that does not fit is never lost: it becomes an event whose message is
// the whole line.
package format

import (
	"raftkv/cmd/logfilter/event"
)

// Parser reads the lines of one format. Parsers keep no state and may be used
// concurrently.
type Parser interface {
	event.Fields

	// Name is what --format calls it.
	Name() string

	// Parse fills in e from line and reports whether the line fits the format;
	// if not e is as it was. It leaves alone what the line says nothing of, and
	// Stream and Raw. What it puts into e may share memory with line.
	Parse(line []byte, e *event.Event) bool

	// Time returns the time that Parse would find, without the rest. It may find
	// one in a line that does not fit otherwise.
	Time(line []byte) (ns int64, ok bool)
}

// Options say how to read files whose format does not tell.
type Options struct {
	// Format is the name of a format for all files; "" finds it out.
	Format string
	// Names maps a field of Event (time, level, node, topic, group, term, index,
	// msg) to the name that the files have for it.
	Names map[string]string
	// Pattern, if not "", is a regular expression with named groups that reads
	// the lines of all files.
	Pattern string
	// Layout, if not "", is the layout of times in the sense of package time.
	Layout string
}

// Text is the event of a line that fits no format.
func Text(line []byte, e *event.Event) {
	e.Msg = asString(line)
}
