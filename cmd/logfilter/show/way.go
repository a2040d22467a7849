package show

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"raftkv/cmd/logfilter/way"
)

// Way prints the way of an entry as a waterfall: a line a leg, with a bar where on
// the whole way it was.
func Way(w io.Writer, s Style, f *way.Follower) error {
	p := &wayPrinter{out: newWriter(w), style: s, colour: newPalette(s.Colour)}
	p.print(f)
	return p.out.Flush()
}

type wayPrinter struct {
	out        *bufio.Writer
	style      Style
	colour     *palette
	start, end int64
}

func (p *wayPrinter) print(f *way.Follower) {
	legs := f.Legs()
	p.heading(f, legs)
	if len(legs) == 0 {
		return
	}
	p.start = legs[0].From
	p.end = f.Answered
	if p.end == 0 {
		for _, l := range legs {
			p.end = max(p.end, l.To)
		}
	}
	node, what := 4, 4
	for _, l := range legs {
		node, what = max(node, utf8.RuneCountInString(l.Node)), max(what, utf8.RuneCountInString(l.What))
	}
	room := max(10, p.style.Width-node-what-34)
	for _, l := range legs {
		b := fmt.Appendf(nil, "  %9s  %s%s  %-*s  %s  %s", sign(l.From-p.start), p.node(l.Node), strings.Repeat(" ", node-utf8.RuneCountInString(l.Node)), what, l.What, p.bar(l, room), took(l))
		if l.To < l.From {
			b = append(b, p.tint(red, "  their clocks differ by more than that")...)
		}
		if l.Note != "" {
			b = fmt.Appendf(b, "  %s", p.tint(dim, safe(l.Note)))
		}
		p.out.Write(append(trimSpace(b, 0), '\n'))
	}
	if text := f.Waited(); text != "" {
		fmt.Fprintf(p.out, "  %s\n", p.tint(yellow, safe(text)))
	}
}

func (p *wayPrinter) heading(f *way.Follower, legs []way.Leg) {
	if f.Index != 0 {
		fmt.Fprint(p.out, p.tint(bold, fmt.Sprintf("group %d, index %d, term %d", f.Group, f.Index, f.Term)))
	} else {
		fmt.Fprint(p.out, p.tint(bold, fmt.Sprintf("group %d, an entry whose index no line tells", f.Group)))
	}
	if len(legs) > 0 {
		fmt.Fprintf(p.out, "  at %s", p.style.Clock.append(nil, legs[0].From))
	}
	if f.Proposed != 0 {
		fmt.Fprintf(p.out, ", by %s: %s, %d bytes", safe(f.Node), plural(int(f.Commands), "command"), f.Bytes)
	}
	switch {
	case f.Failure != "":
		fmt.Fprint(p.out, p.tint(red, ", failed"))
	case f.Answered != 0:
		fmt.Fprintf(p.out, ", answered after %s", shortSpan(time.Duration(f.Answered-f.Queued)))
	case f.Proposed != 0:
		fmt.Fprint(p.out, p.tint(red, ", never answered"))
	}
	fmt.Fprintln(p.out)
	if len(f.Keys) > 0 {
		keys := slices.Compact(slices.Clone(f.Keys))
		text := strings.Join(keys[:min(8, len(keys))], " ")
		if more := len(keys) - 8; more > 0 || f.More > 0 {
			text += fmt.Sprintf(" and %d more", max(0, more)+int(f.More))
		}
		fmt.Fprintf(p.out, "  keys: %s\n", safe(text))
	}
}

// node colours a node's name, or those at both ends of an arrow.
func (p *wayPrinter) node(name string) string {
	from, _, _ := strings.Cut(name, "→")
	return string(p.colour.with(appendSafe(p.colour.node(nil, from), name), reset))
}

func (p *wayPrinter) tint(colour, text string) string {
	return string(p.colour.with(append(p.colour.with(nil, colour), text...), reset))
}

// bar draws a leg on the way, in room characters.
func (p *wayPrinter) bar(l way.Leg, room int) string {
	place := func(at int64) int {
		return int(float64(at-p.start) / float64(max(1, p.end-p.start)) * float64(room-1))
	}
	from, to := place(min(l.From, l.To)), place(max(l.From, l.To))
	switch {
	case from >= room:
		return strings.Repeat(" ", room-1) + "▸" // after the reply
	case to <= from:
		return strings.Repeat(" ", from) + "▏" + strings.Repeat(" ", room-from-1)
	}
	to = min(to, room-1)
	return strings.Repeat(" ", from) + strings.Repeat("█", to-from+1) + strings.Repeat(" ", room-to-1)
}

func took(l way.Leg) string {
	if l.From == l.To {
		return strings.Repeat(" ", 8)
	}
	return fmt.Sprintf("%8s", shortSpan(time.Duration(l.To-l.From)))
}

func sign(ns int64) string {
	if ns < 0 {
		return "-" + shortSpan(time.Duration(-ns))
	}
	return "+" + shortSpan(time.Duration(ns))
}
