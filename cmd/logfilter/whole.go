package main

import (
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"

	"raftkv/cmd/logfilter/filter"
	"raftkv/cmd/logfilter/show"
	"raftkv/cmd/logfilter/skew"
	"raftkv/cmd/logfilter/source"
)

// wholeView returns the view that was asked for if it is one of those that must see
// all lines to understand some; else nil. It takes the conditions out of the filter
// that say what such a view shows.
func (o *options) wholeView(w io.Writer, f *filter.Filter) show.View {
	if !o.timeline {
		return nil
	}
	window := show.Window{Since: f.Since, Until: f.Until, Group: o.groups()}
	*f = filter.Filter{Since: math.MinInt64, Until: math.MaxInt64, Skew: f.Skew}
	return show.NewTimeline(w, o.view.style(w), window)
}

// warnOfClocks tells of clocks that raft's own order proves wrong.
func warnOfClocks(w io.Writer, clocks *skew.Watcher) {
	for _, warning := range clocks.Warnings() {
		fmt.Fprintln(w, "logfilter: warning:", warning)
	}
}

// groups returns the condition on groups; nil if there is none.
func (o *options) groups() func(uint64) bool {
	ranges, err := parseRanges("group", o.group) // checked already
	if err != nil || len(ranges) == 0 {
		return nil
	}
	return func(id uint64) bool {
		return slices.ContainsFunc(ranges, func(r filter.Range) bool { return id >= r.Lo && id <= r.Hi })
	}
}

// wantsTrace tells whether the nodes' traces are read. Beside one line of a log they
// have thousands, about single messages: who does not ask for those is better off
// without.
func (o *options) wantsTrace() bool {
	return o.timeline || o.trace != "" || o.diagram != "" || o.level == "trace" || len(o.keys)+len(o.sessions)+len(o.index) > 0
}

// withoutTrace leaves out the traces that were found in folders: what was named
// itself is read.
func withoutTrace(logs []source.Stream, args []string) []source.Stream {
	return slices.DeleteFunc(logs, func(s source.Stream) bool {
		return filepath.Base(s.Path) == source.Trace && !slices.ContainsFunc(args, func(arg string) bool { return filepath.Clean(arg) == filepath.Clean(s.Path) })
	})
}
