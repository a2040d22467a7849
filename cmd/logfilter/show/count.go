package show

import (
	"fmt"
	"io"

	"raftkv/cmd/logfilter/event"
)

var _ View = (*Count)(nil)

// Count prints how many events there were.
type Count struct {
	w io.Writer
	n int
}

// NewCount returns a view that writes to w when it is closed.
func NewCount(w io.Writer) *Count { return &Count{w: w} }

// Event implements View.
func (c *Count) Event(e *event.Event, _ bool) error {
	if !e.Context {
		c.n++
	}
	return nil
}

// Flush implements View.
func (c *Count) Flush() error { return nil }

// Close implements View.
func (c *Count) Close() error {
	_, err := fmt.Fprintln(c.w, c.n)
	return err
}
