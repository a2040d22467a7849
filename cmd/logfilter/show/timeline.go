package show

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"raftkv/cmd/logfilter/event"
	"raftkv/cmd/logfilter/reign"
)

var _ View = (*Timeline)(nil)

// Timeline prints who led each group when, and what the logs prove of why that
// changed. It must get all lines: what is before or in other groups counts, too.
type Timeline struct {
	out    *bufio.Writer
	style  Style
	colour *palette
	window Window
	reader *reign.Reader
}

// Window is the part of what was read that a view shows.
type Window struct {
	Since, Until int64
	Group        func(uint64) bool // nil: all
}

// clip limits the window to what the logs have.
func (w Window) clip(first, last int64) (int64, int64) {
	return max(w.Since, first), min(w.Until, last)
}

func (w Window) has(group uint64) bool { return w.Group == nil || w.Group(group) }

// NewTimeline returns a view that writes to w when it is closed.
func NewTimeline(w io.Writer, s Style, window Window) *Timeline {
	return &Timeline{out: newWriter(w), style: s, colour: newPalette(s.Colour), window: window, reader: reign.NewReader()}
}

// Event implements View.
func (t *Timeline) Event(e *event.Event, _ bool) error {
	t.reader.Event(e)
	return nil
}

// Flush implements View.
func (t *Timeline) Flush() error { return nil }

// Close implements View.
func (t *Timeline) Close() error {
	from, to := t.window.clip(t.reader.Span())
	first := true
	for _, g := range t.reader.Groups() {
		if !t.window.has(g.ID) {
			continue
		}
		if !first {
			fmt.Fprintln(t.out)
		}
		first = false
		t.group(g, from, to)
	}
	if first {
		fmt.Fprintln(t.out, "No line tells that a node has begun to lead a group: are these logs of all nodes, from level info on?")
	}
	return t.out.Flush()
}

func (t *Timeline) group(g reign.Group, from, to int64) {
	shown, without := 0, time.Duration(0)
	for i, x := range g.Reigns {
		if x.To < from || x.From > to {
			continue
		}
		shown++
		if i > 0 {
			without += time.Duration(max(0, x.From-max(from, g.Reigns[i-1].To)))
		}
	}
	span := time.Duration(max(1, to-from))
	t.bold(fmt.Sprintf("group %d", g.ID))
	fmt.Fprintf(t.out, "  %s in %s, without a leader for %s (%.2f%%)\n", plural(shown, "leader"), shortSpan(span), shortSpan(without), 100*float64(without)/float64(span))
	t.bar(g, from, to)
	for _, x := range g.Reigns {
		if x.From < from || x.From > to {
			continue
		}
		t.change(x)
	}
}

// change prints a reign, and before it why the one before has ended.
func (t *Timeline) change(x reign.Reign) {
	for _, p := range x.Proof {
		fmt.Fprintf(t.out, "  %s   ", t.dim(t.clock(p.Time)))
		if p.Node == "" {
			fmt.Fprintln(t.out, t.colourOf(red, p.Text))
		} else {
			fmt.Fprintf(t.out, "%s %s\n", t.node(p.Node), safe(p.Text))
		}
	}
	fmt.Fprintf(t.out, "  %s ", t.dim(t.clock(x.From)))
	t.bold("▶ ")
	fmt.Fprintf(t.out, "%s leads%s for %s%s", t.node(x.Node), inTerm(x.Term), shortSpan(time.Duration(x.To-x.From)), during(x))
	if x.Cause != "" {
		fmt.Fprintf(t.out, ": %s", t.colourOf(yellow, safe(x.Cause)))
	}
	fmt.Fprintln(t.out)
}

// during says how a reign ended where that is not plain.
func during(x reign.Reign) string {
	switch {
	case !x.Ended:
		return ", to the end of the logs"
	case x.Late > x.To+int64(10*time.Millisecond):
		return fmt.Sprintf(" (and takes itself for the leader %s longer)", shortSpan(time.Duration(x.Late-x.To)))
	}
	return ""
}

// bar draws the reigns over the width, each as long as it lasted but at least one
// character, with its node and term where there is room.
func (t *Timeline) bar(g reign.Group, from, to int64) {
	width := max(10, t.style.Width-4)
	cells := make([]int, width) // index of a reign + 1; 0: nobody
	place := func(at int64) int {
		f := float64(at-from) / math.Max(1, float64(to-from)) * float64(width)
		return max(0, min(width-1, int(f)))
	}
	for i, x := range g.Reigns {
		if x.To < from || x.From > to {
			continue
		}
		for c := place(x.From); c <= place(x.To); c++ {
			cells[c] = i + 1
		}
		// A gap is seen however short it is.
		if i > 0 && x.From > g.Reigns[i-1].To && g.Reigns[i-1].To > from {
			for c := place(g.Reigns[i-1].To); c <= max(place(g.Reigns[i-1].To), place(x.From)-1); c++ {
				cells[c] = 0
			}
		}
	}
	fmt.Fprint(t.out, "  ")
	for c := 0; c < width; {
		end := c
		for end < width && cells[end] == cells[c] {
			end++
		}
		t.segment(g, cells[c], end-c)
		c = end
	}
	fmt.Fprintln(t.out)
	left, right := t.clock(from), t.clock(to)
	fmt.Fprintf(t.out, "  %s%*s\n", t.dim(left), max(1, width-utf8.RuneCountInString(left))+len(t.dim(right))-len(right), t.dim(right))
}

func (t *Timeline) segment(g reign.Group, cell, n int) {
	if cell == 0 {
		fmt.Fprint(t.out, t.colourOf(red, strings.Repeat("·", n)))
		return
	}
	x := g.Reigns[cell-1]
	text := fmt.Sprintf("%s t%d ", x.Node, x.Term)
	if len(text) > n {
		text = x.Node
	}
	if len(text) > n {
		text = ""
	}
	text += strings.Repeat("━", n-len(text))
	b := t.colour.node(nil, x.Node)
	b = appendSafe(b, text)
	t.out.Write(t.colour.with(b, reset))
}

func (t *Timeline) clock(at int64) string { return string(t.style.Clock.append(nil, at)) }

func (t *Timeline) dim(text string) string { return t.colourOf(dim, text) }

func (t *Timeline) colourOf(colour, text string) string {
	return string(t.colour.with(append(t.colour.with(nil, colour), text...), reset))
}

func (t *Timeline) bold(text string) { fmt.Fprint(t.out, t.colourOf(bold, text)) }

func (t *Timeline) node(name string) string {
	return string(t.colour.with(appendSafe(t.colour.node(nil, name), name), reset))
}

func safe(text string) string { return string(appendSafe(nil, text)) }

func inTerm(n uint64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" in term %d", n)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// shortSpan shows a length of time in three digits or so.
func shortSpan(d time.Duration) string {
	for unit := time.Nanosecond; unit < time.Hour; unit *= 10 {
		if d < 1000*unit {
			return d.Round(unit).String()
		}
	}
	return d.Round(time.Second).String()
}
