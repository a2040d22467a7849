package main

import (
	"io"
	"os"

	"raftkv/cmd/logfilter/show"
)

// output returns where to write to: standard output, or on a terminal a pager.
// done waits until the user has seen it.
func (v *viewOptions) output(std streams, direct bool) (w io.Writer, done func() error) {
	nothing := func() error { return nil }
	if direct || v.noPager || !show.IsTerminal(std.out) {
		return std.out, nothing
	}
	pager := show.StartPager(std.out, std.err)
	if pager == nil {
		return std.out, nothing
	}
	// The terminal is behind the pager.
	if v.colour == "auto" && os.Getenv("NO_COLOR") == "" {
		v.colour = "always"
	}
	if v.width == 0 {
		v.width = show.TerminalWidth(std.out)
	}
	return pager, pager.Close
}

func (v *viewOptions) style(w io.Writer) show.Style {
	colour := v.colour == "always"
	if v.colour == "auto" {
		colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && show.IsTerminal(w)
	}
	width := v.width
	if width <= 0 {
		width = show.TerminalWidth(w)
	}
	return show.Style{Colour: colour, Width: width, Clock: show.Clock{Mode: v.clock, Location: v.zone()}}
}
