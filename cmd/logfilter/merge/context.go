package merge

import (
	"slices"

	"raftkv/cmd/logfilter/event"
)

// Context lets through the events that a filter chose and count of those before
// and behind each, of whichever log.
type Context struct {
	count  int
	before []*event.Event // the last ones that were left out
	after  int            // how many more to let through
	gap    bool           // something was left out since the last that was not
	any    bool           // something was let through
}

// NewContext returns a Context of count events each way.
func NewContext(count int) *Context { return &Context{count: count} }

// Add takes the next event and calls emit with those to be shown, in order. gap
// is set if others were left out before it.
func (c *Context) Add(e *event.Event, emit func(e *event.Event, gap bool) bool) bool {
	if e.Context {
		if c.after == 0 {
			if len(c.before) == c.count {
				c.gap = true
				c.before = slices.Delete(c.before, 0, min(1, len(c.before)))
			}
			if c.count > 0 {
				c.before = append(c.before, e)
			}
			return true
		}
		c.after--
		return c.emit(e, emit)
	}
	for _, b := range c.before {
		if !c.emit(b, emit) {
			return false
		}
	}
	c.before, c.after = c.before[:0], c.count
	return c.emit(e, emit)
}

func (c *Context) emit(e *event.Event, emit func(*event.Event, bool) bool) bool {
	gap := c.gap && c.any
	c.gap, c.any = false, true
	return emit(e, gap)
}
