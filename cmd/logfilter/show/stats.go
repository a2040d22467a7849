package show

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"raftkv/cmd/logfilter/event"
)

var _ View = (*Stats)(nil)

// Stats counts events by time, topic and node, and prints the counts with bars.
type Stats struct {
	out    *bufio.Writer
	style  Style
	total  int
	counts [3]map[string]int // by topic, node, level
	// buckets counts by time; each is wide nanoseconds, the first begins at start.
	buckets map[int64]int
	wide    int64
	first   int64
	last    int64
	untimed int
}

// maxBuckets is how many lines the counts over time take at most.
const maxBuckets = 30

// NewStats returns a view that writes to w when it is closed.
func NewStats(w io.Writer, s Style) *Stats {
	st := &Stats{out: newWriter(w), style: s, buckets: make(map[int64]int), wide: 1e6}
	for i := range st.counts {
		st.counts[i] = make(map[string]int)
	}
	return st
}

// Event implements View.
func (s *Stats) Event(e *event.Event, _ bool) error {
	if e.Context {
		return nil
	}
	s.total++
	for i, name := range [...]string{e.Topic, e.Node, e.Level.String()} {
		if name == "" {
			name = "-"
		}
		if _, known := s.counts[i][name]; !known {
			name = strings.Clone(name) // it shares memory with its line
		}
		s.counts[i][name]++
	}
	if e.Time == 0 && !e.HasTime {
		s.untimed++
		return nil
	}
	if len(s.buckets) == 0 {
		s.first, s.last = e.Time, e.Time
	}
	s.first, s.last = min(s.first, e.Time), max(s.last, e.Time)
	s.buckets[floor(e.Time, s.wide)]++
	for s.last-s.first >= maxBuckets*s.wide {
		s.widen()
	}
	return nil
}

// floor is t / wide, rounded down.
func floor(t, wide int64) int64 {
	if t < 0 {
		return (t+1)/wide - 1
	}
	return t / wide
}

// widths are round numbers, each of which divides the next: so no bucket lies
// across two wider ones.
var widths = []time.Duration{
	time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute,
	time.Hour, 6 * time.Hour, 24 * time.Hour,
}

// widen makes buckets wider.
func (s *Stats) widen() {
	next := s.wide * 2
	for _, w := range widths {
		if int64(w) > s.wide {
			next = int64(w)
			break
		}
	}
	wider := make(map[int64]int, len(s.buckets))
	for at, n := range s.buckets {
		wider[floor(at*s.wide, next)] += n
	}
	s.buckets, s.wide = wider, next
}

// Flush implements View.
func (s *Stats) Flush() error { return nil }

// Close implements View.
func (s *Stats) Close() error {
	if s.total > 0 {
		s.print()
	}
	return s.out.Flush()
}

func (s *Stats) print() {
	fmt.Fprintf(s.out, "%d events", s.total)
	if len(s.buckets) > 0 {
		fmt.Fprintf(s.out, " in %s, a bar of %s each", time.Duration(s.last-s.first).Round(time.Microsecond), time.Duration(s.wide))
	}
	fmt.Fprintln(s.out)
	if s.untimed > 0 {
		fmt.Fprintf(s.out, "%d of them without a time\n", s.untimed)
	}
	if len(s.buckets) > 0 {
		lo, hi := floor(s.first, s.wide), floor(s.last, s.wide)
		most := 0
		for _, n := range s.buckets {
			most = max(most, n)
		}
		for at := lo; at <= hi; at++ {
			s.row(string(s.style.Clock.append(nil, at*s.wide)), s.buckets[at], most)
		}
	}
	for i, title := range [...]string{"topic", "node", "level"} {
		fmt.Fprintf(s.out, "\n%s\n", title)
		s.table(s.counts[i])
	}
}

// maxRows is how many names a table shows.
const maxRows = 20

func (s *Stats) table(counts map[string]int) {
	names := make([]string, 0, len(counts))
	for name := range counts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(counts[b]-counts[a], strings.Compare(a, b))
	})
	for i, name := range names {
		if i == maxRows {
			fmt.Fprintf(s.out, "  and %d more\n", len(names)-maxRows)
			return
		}
		s.row(name, counts[name], counts[names[0]])
	}
}

// row prints a name, a count and its bar.
func (s *Stats) row(name string, n, most int) {
	label := string(appendSafe(nil, name))
	room := max(5, min(60, s.style.Width-30))
	fmt.Fprintf(s.out, "  %-16s%9d %s\n", label, n, bar(n, most, room))
}

// bar draws n of most in eighths of a character.
func bar(n, most, room int) string {
	eighths := n * room * 8 / max(most, 1)
	if n > 0 {
		eighths = max(eighths, 1)
	}
	text := strings.Repeat("█", eighths/8)
	if part := eighths % 8; part > 0 {
		text += string([]rune(" ▏▎▍▌▋▊▉")[part])
	}
	return text
}
