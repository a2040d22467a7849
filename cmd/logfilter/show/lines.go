package show

import (
	"bufio"
	"io"
	"strings"

	"raftkv/cmd/logfilter/event"
)

var _ View = (*Lines)(nil)

// Lines prints one line an event:
//
//	15:04:05.000000 n1 WARN  g1 t7 election: heartbeat timeout reached last-leader-id=n2.5
type Lines struct {
	out    *bufio.Writer
	style  Style
	colour *palette
	b      []byte
	node   int // width of the longest name so far
}

// NewLines returns a view that writes to w.
func NewLines(w io.Writer, s Style) *Lines {
	return &Lines{out: newWriter(w), style: s, colour: newPalette(s.Colour), node: 2}
}

// Event implements View.
func (l *Lines) Event(e *event.Event, gap bool) error {
	b := l.b[:0]
	if gap {
		b = append(b, "--\n"...)
	}
	start := len(b)
	b = l.colour.with(b, dim)
	b = l.style.Clock.append(b, e.Time)
	b = l.colour.with(b, reset)
	b = append(b, ' ')
	b = l.colour.node(b, e.Node)
	b = appendSafe(b, e.Node)
	l.node = min(max(l.node, len(e.Node)), 12)
	b = pad(b, l.node-len(e.Node))
	b = l.colour.with(b, reset)
	b = append(b, ' ')
	b = l.colour.level(b, e.Level)
	name := strings.ToUpper(e.Level.String())
	b = append(b, name...)
	b = pad(b, 6-len(name))
	b = l.colour.with(b, reset)
	b = appendPlace(b, e)
	if e.Topic != "" {
		b = l.colour.with(b, dim)
		b = appendSafe(b, e.Topic)
		b = append(b, ':', ' ')
		b = l.colour.with(b, reset)
	}
	if e.Level >= event.Warn {
		b = l.colour.level(b, e.Level)
	}
	b = appendSafe(b, e.Msg)
	b = l.colour.with(b, reset)
	b = l.colour.with(b, dim)
	b = appendAttrs(b, e)
	b = l.colour.with(b, reset)
	if !l.colour.on {
		b = trimSpace(b, start)
	}
	b = append(b, '\n')
	l.b = b
	_, err := l.out.Write(b)
	return err
}

// pad appends spaces.
func pad(b []byte, n int) []byte {
	for ; n > 0; n-- {
		b = append(b, ' ')
	}
	return b
}

// trimSpace takes spaces off the end of b, but nothing before start.
func trimSpace(b []byte, start int) []byte {
	for len(b) > start && b[len(b)-1] == ' ' {
		b = b[:len(b)-1]
	}
	return b
}

// Flush implements View.
func (l *Lines) Flush() error { return l.out.Flush() }

// Close implements View.
func (l *Lines) Close() error { return l.out.Flush() }
