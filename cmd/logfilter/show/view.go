// Package show prints events: a line each, a column for each node, JSON, or
// counts.
package show

import (
	"bufio"
	"io"

	"raftkv/cmd/logfilter/event"
)

// View prints events as they come. It is used by one goroutine.
type View interface {
	// Event prints e, or keeps what it needs of it. gap says that others, which
	// were left out, are before it.
	Event(e *event.Event, gap bool) error
	// Flush writes out what can be shown so far.
	Flush() error
	// Close prints what is shown at the end. It does not close the writer.
	Close() error
}

// Style is what all views of text have in common.
type Style struct {
	Colour bool
	Clock  Clock
	Width  int // of the terminal, in characters
}

// outBytes is how much text is collected before it is written.
const outBytes = 64 << 10

func newWriter(w io.Writer) *bufio.Writer { return bufio.NewWriterSize(w, outBytes) }
