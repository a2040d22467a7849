package show

import (
	"bufio"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"raftkv/cmd/logfilter/event"
)

var _ View = (*Columns)(nil)

// Columns prints a column for each node, so that what happened at the same time
// stands side by side. No line is wider than the terminal: long text goes on in
// the lines below.
type Columns struct {
	out    *bufio.Writer
	style  Style
	colour *palette
	nodes  []string
	// time and each are the widths of the time and of one node's column.
	time, each int
	b          []byte
	headed     bool
}

const (
	minWidth  = 20
	minColumn = 4
	maxHeight = 6 // lines of a cell; the last one ends in ... if there was more
)

// NewColumns returns a view with columns for these nodes, and more if others
// turn up.
func NewColumns(w io.Writer, s Style, nodes []string) *Columns {
	s.Width = max(s.Width, minWidth)
	return &Columns{out: newWriter(w), style: s, colour: newPalette(s.Colour), nodes: slices.Clone(nodes)}
}

// layout shares the width out: a narrow terminal gets a shorter time.
func (c *Columns) layout(t int64) {
	c.time = c.style.Clock.width(t)
	n := max(1, len(c.nodes))
	for {
		c.each = (c.style.Width-c.time)/n - 1
		if c.each >= 12 || c.time == 0 {
			break
		}
		switch {
		case c.time > len("15:04:05.000"):
			c.time = len("15:04:05.000")
		case c.time > len("05.000"):
			c.time = len("05.000")
		default:
			c.time = 0
		}
	}
	c.each = max(c.each, minColumn)
}

// Event implements View.
func (c *Columns) Event(e *event.Event, gap bool) error {
	return c.row([]*event.Event{e}, gap)
}

// Row prints events of different nodes side by side, at the time of the first.
func (c *Columns) Row(row []*event.Event) error { return c.row(row, false) }

func (c *Columns) row(row []*event.Event, gap bool) error {
	for _, e := range row {
		if !slices.Contains(c.nodes, e.Node) {
			c.nodes = append(c.nodes, strings.Clone(e.Node))
			c.headed = false
		}
	}
	b := c.b[:0]
	if !c.headed {
		c.layout(row[0].Time)
		b = c.header(b)
		c.headed = true
	} else if gap {
		b = append(b, "--\n"...)
	}
	cells, height := make([][]string, len(c.nodes)), 0
	at := make([]*event.Event, len(c.nodes))
	for _, e := range row {
		i := slices.Index(c.nodes, e.Node)
		cells[i], at[i] = c.cell(e), e
		height = max(height, len(cells[i]))
	}
	stamp := c.stamp(row[0].Time)
	for line := range height {
		start := len(b)
		if line > 0 {
			stamp = nil
		}
		b = c.colour.with(b, dim)
		b = append(b, stamp...)
		b = c.colour.with(b, reset)
		b = pad(b, c.time-len(stamp))
		blank := 0 // what is left out until there is text
		if c.time > 0 {
			blank = 1
		}
		for i, cell := range cells {
			if line >= len(cell) {
				blank += c.each + 1
				continue
			}
			b = pad(b, blank)
			b = c.paint(b, at[i])
			b = append(b, cell[line]...)
			b = c.colour.with(b, reset)
			blank = c.each + 1 - textWidth(cell[line])
		}
		if !c.colour.on {
			b = trimSpace(b, start)
		}
		b = append(b, '\n')
	}
	c.b = b
	_, err := c.out.Write(b)
	return err
}

// paint begins the colour of a cell: the level's if it is bad, else the node's.
func (c *Columns) paint(b []byte, e *event.Event) []byte {
	if e.Level >= event.Warn {
		return c.colour.level(b, e.Level)
	}
	return c.colour.node(b, e.Node)
}

// stamp is the time, without its beginning where there is little room.
func (c *Columns) stamp(t int64) []byte {
	full := c.style.Clock.append(nil, t)
	switch c.time {
	case len("15:04:05.000"):
		return full[:len(full)-3]
	case len("05.000"):
		return full[len(full)-9 : len(full)-3]
	case 0:
		return nil
	}
	return full
}

func (c *Columns) header(b []byte) []byte {
	start := len(b)
	b = pad(b, c.time)
	if c.time > 0 {
		b = append(b, ' ')
	}
	for _, node := range c.nodes {
		name := wrap(string(appendSafe(nil, node)), c.each, 1)
		b = c.colour.with(b, bold)
		b = c.colour.node(b, node)
		b = append(b, name[0]...)
		b = c.colour.with(b, reset)
		b = pad(b, c.each+1-textWidth(name[0]))
	}
	if !c.colour.on {
		b = trimSpace(b, start)
	} else if at := len(b) - 1; b[at] == ' ' {
		b = b[:at]
	}
	return append(b, '\n')
}

// cell is the text of an event, in lines of a column's width.
func (c *Columns) cell(e *event.Event) []string {
	b := appendPlace(nil, e)
	if e.Level >= event.Warn {
		b = append(b, strings.ToUpper(e.Level.String())...)
		b = append(b, ' ')
	}
	b = appendSafe(b, e.Msg)
	b = appendAttrs(b, e)
	return wrap(string(b), c.each, maxHeight)
}

// wrap breaks text into lines of at most width, at spaces where that loses
// little, and cuts what is longer than height lines.
func wrap(text string, width, height int) []string {
	var lines []string
	for {
		text = strings.TrimLeft(text, " ")
		end, full := fitting(text, width)
		if full {
			return append(lines, text)
		}
		if len(lines) == height-1 {
			end, _ = fitting(text, width-1)
			return append(lines, text[:end]+"…")
		}
		if space := strings.LastIndexByte(text[:end+1], ' '); space > end/2 {
			end = space
		}
		lines = append(lines, strings.TrimRight(text[:end], " "))
		text = text[end:]
	}
}

// fitting returns how many bytes of text are at most width characters wide, and
// whether that is all of it. It takes at least one character.
func fitting(text string, width int) (end int, all bool) {
	used := 0
	for i, r := range text {
		if used += runeWidth(r); used > width && i > 0 {
			return i, false
		}
	}
	return len(text), true
}

func textWidth(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

// runeWidth is how many cells of a terminal a character takes: two in the wide
// ranges of Unicode's East Asian Width.
func runeWidth(r rune) int {
	switch {
	case r < utf8.RuneSelf:
		return 1
	case r >= 0x1100 && r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf, r >= 0xac00 && r <= 0xd7a3,
		r >= 0xf900 && r <= 0xfaff, r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60,
		r >= 0xffe0 && r <= 0xffe6, r >= 0x1f300 && r <= 0x1faff, r >= 0x20000 && r <= 0x3fffd:
		return 2
	}
	return 1
}

// Flush implements View.
func (c *Columns) Flush() error { return c.out.Flush() }

// Close implements View.
func (c *Columns) Close() error { return c.out.Flush() }
