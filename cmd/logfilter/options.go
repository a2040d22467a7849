package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"raftkv/cmd/logfilter/event"
	"raftkv/cmd/logfilter/filter"
	"raftkv/cmd/logfilter/format"
	"raftkv/cmd/logfilter/show"
	"raftkv/kv/eventlog"
)

// options are the flags of the program.
type options struct {
	data string

	nodes, topics       []string
	group, term, index  []string
	level               string
	since, until        string
	keys, sessions      []string
	grep, not           []string
	query               string
	context             int
	skew                []string
	format              format.Options
	fields              []string
	view                viewOptions
	follow, count       bool
	columns, json, stat bool
	timeline            bool
	trace, diagram      string
}

func newOptions() *options { return &options{} }

func (o *options) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	f.StringSliceVar(&o.nodes, "node", nil, "events of these nodes")
	f.StringSliceVar(&o.group, "group", nil, "of these groups: 3, 1,3, 2..4")
	f.StringVar(&o.level, "level", "", "of this level or above: "+strings.Join(event.LevelNames(), ", "))
	f.StringSliceVar(&o.topics, "topic", nil, "of these topics, or their beginnings: "+strings.Join(eventlog.Topics(), ", "))
	f.StringSliceVar(&o.term, "term", nil, "of these terms: 5, 5.., 5..9")
	f.StringSliceVar(&o.index, "index", nil, "of these indexes: 100..200")
	f.StringVar(&o.since, "since", "", "not before: 10s (before the end), +10s (after the beginning), 12:01:07.5")
	f.StringVar(&o.until, "until", "", "not after")
	f.StringSliceVar(&o.keys, "key", nil, "about this key")
	f.StringSliceVar(&o.sessions, "session", nil, "of this client session")
	f.StringArrayVar(&o.grep, "grep", nil, "lines that match a regular expression, as they stand in the file")
	f.StringArrayVar(&o.not, "not", nil, "lines that do not match it")
	f.StringVarP(&o.query, "query", "q", "", "events for which an expression holds")
	f.IntVarP(&o.context, "context", "C", 0, "with so many events around each, of any node")
	f.BoolVarP(&o.follow, "follow", "f", false, "go on with what is appended; new and rotated files too")
	f.StringSliceVar(&o.skew, "skew", nil, "correct a clock: n2=+35ms adds that to n2's times")

	f.BoolVar(&o.columns, "columns", false, "a column for each node")
	f.BoolVar(&o.json, "json", false, "JSON lines, as they stand in the file; others in raftkv's form")
	f.BoolVar(&o.stat, "stats", false, "counts over time, by topic, node and level")
	f.BoolVar(&o.timeline, "timeline", false, "who led each group when, and why that changed")
	f.StringVar(&o.trace, "trace", "", "the way of a command through the cluster, by its key, session or raft index")
	f.StringVar(&o.diagram, "diagram", "", "draw who said what to whom into a file: .html to zoom in, or .svg")
	f.BoolVarP(&o.count, "count", "c", false, "only how many events there are")
	o.view.add(f)

	f.StringVar(&o.data, "data", "raftkv-data", "the local cluster's folder, read if nothing is named")
	f.StringVar(&o.format.Format, "format", "", "take all files for "+strings.Join(format.Names(), ", "))
	f.StringSliceVar(&o.fields, "field", nil, "the name of a field in the files: node=pod,time=when")
	f.StringVar(&o.format.Pattern, "pattern", "", "read lines by a regular expression with groups (?P<time>...), (?P<node>...)")
	f.StringVar(&o.format.Layout, "time-layout", "", "how --pattern's time is written, as Go has it: \"Jan _2 15:04:05\"")
	o.complete(cmd)
}

// viewOptions are the flags that say how text looks.
type viewOptions struct {
	clock, colour string
	utc, noPager  bool
	width         int
}

func (v *viewOptions) add(f *pflag.FlagSet) {
	f.StringVar(&v.clock, "time", "clock", "how times are shown: "+strings.Join(show.ClockModes(), ", "))
	f.BoolVar(&v.utc, "utc", false, "show and take times as UTC, not as local time")
	f.StringVar(&v.colour, "color", "auto", "auto (on a terminal without NO_COLOR), always, never")
	f.IntVar(&v.width, "width", 0, "width in characters; 0: the terminal's")
	f.BoolVar(&v.noPager, "no-pager", false, "do not run $PAGER, or less, on a terminal")
}

func (v *viewOptions) check() error {
	if !slices.Contains(show.ClockModes(), v.clock) {
		return misuse{fmt.Errorf("--time %s: there are %s", v.clock, strings.Join(show.ClockModes(), ", "))}
	}
	if !slices.Contains([]string{"auto", "always", "never"}, v.colour) {
		return misuse{fmt.Errorf("--color %s: there are auto, always, never", v.colour)}
	}
	return nil
}

func (v *viewOptions) zone() *time.Location {
	if v.utc {
		return time.UTC
	}
	return time.Local
}

// check looks for misuse before any file is read.
func (o *options) check() error {
	if err := o.view.check(); err != nil {
		return err
	}
	views := 0
	for _, on := range []bool{o.columns, o.json, o.stat, o.count, o.timeline, o.trace != "", o.diagram != ""} {
		if on {
			views++
		}
	}
	switch {
	case views > 1:
		return misuse{fmt.Errorf("--columns, --json, --stats, --count, --timeline, --trace and --diagram are different views: give one of them")}
	case o.context < 0:
		return misuse{fmt.Errorf("-C %d: there are no fewer than 0 events around one", o.context)}
	case o.follow && (o.stat || o.count || o.timeline || o.trace != "" || o.diagram != ""):
		return misuse{fmt.Errorf("-f never ends, and --stats, --count, --timeline, --trace and --diagram are shown at the end: leave one out")}
	}
	o.format.Names = make(map[string]string)
	for _, pair := range o.fields {
		field, key, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return misuse{fmt.Errorf("--field %s: say which field has which name, as in node=pod", pair)}
		}
		o.format.Names[field] = key
	}
	if err := o.format.Check(); err != nil {
		return misuse{err}
	}
	return nil
}

// filter makes the filter, but for its times and topics: those depend on the logs.
func (o *options) filter() (*filter.Filter, error) {
	f := &filter.Filter{Since: math.MinInt64, Until: math.MaxInt64}
	if len(o.nodes) > 0 {
		f.Conds = append(f.Conds, filter.Nodes(o.nodes))
	}
	if o.level != "" {
		level, ok := event.ParseLevel(o.level)
		if !ok {
			return nil, misuse{fmt.Errorf("--level %s: there are %s", o.level, strings.Join(event.LevelNames(), ", "))}
		}
		f.Conds = append(f.Conds, filter.AtLeast(level))
	}
	if err := addNumbers(f, o.group, o.term, o.index); err != nil {
		return nil, err
	}
	for _, key := range o.keys {
		f.Conds = append(f.Conds, filter.Attribute(key, "key", "keys"))
	}
	for _, session := range o.sessions {
		f.Conds = append(f.Conds, filter.Attribute(session, "session", "sessions", "client"))
	}
	if err := addGreps(f, o.grep, o.not); err != nil {
		return nil, err
	}
	if o.query != "" {
		q, err := filter.NewQuery(o.query)
		if err != nil {
			return nil, misuse{err}
		}
		f.Query = q
	}
	var err error
	f.Skew, err = parseSkew(o.skew)
	return f, err
}

// addNumbers adds what --group, --term and --index say.
func addNumbers(f *filter.Filter, group, term, index []string) error {
	for _, n := range []struct {
		name   string
		ranges []string
		number func(*event.Event) event.Number
	}{{"group", group, filter.Group}, {"term", term, filter.Term}, {"index", index, filter.Index}} {
		ranges, err := parseRanges(n.name, n.ranges)
		if err != nil {
			return err
		}
		if len(ranges) > 0 {
			f.Conds = append(f.Conds, filter.Numbers(n.name, ranges, n.number))
		}
	}
	return nil
}

func addGreps(f *filter.Filter, grep, not []string) error {
	for i, expr := range slices.Concat(grep, not) {
		c, err := filter.Grep(expr, i >= len(grep))
		if err != nil {
			return misuse{err}
		}
		f.Conds = append(f.Conds, c)
	}
	return nil
}

func parseRanges(name string, texts []string) ([]filter.Range, error) {
	var ranges []filter.Range
	for _, text := range texts {
		r, err := filter.ParseRange(text)
		if err != nil {
			return nil, misuse{fmt.Errorf("--%s: %w", name, err)}
		}
		ranges = append(ranges, r)
	}
	return ranges, nil
}

func parseSkew(pairs []string) (map[string]int64, error) {
	skew := make(map[string]int64)
	for _, pair := range pairs {
		node, by, ok := strings.Cut(pair, "=")
		d, err := time.ParseDuration(by)
		if !ok || err != nil || node == "" {
			return nil, misuse{fmt.Errorf("--skew %s: say by how much a node's clock is off, as in n2=+35ms", pair)}
		}
		skew[node] = int64(d)
	}
	return skew, nil
}
