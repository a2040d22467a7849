package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"raftkv/cmd/logfilter/event"
	"raftkv/cmd/logfilter/filter"
	"raftkv/cmd/logfilter/show"
)

// raftOptions are the flags of `logfilter raft`.
type raftOptions struct {
	data                      string
	nodes, group, term, index []string
	types, commands           []string
	keys, sessions            []string
	grep, not                 []string
	query                     string
	columns, json, stat       bool
	count, diff               bool
	view                      viewOptions
}

func newRaft(std streams) *cobra.Command {
	var o raftOptions
	cmd := &cobra.Command{
		Use:   "raft [flags] [FILE|DIR]...",
		Short: "Decode raft logs, of running nodes too",
		Long: `Decode raft logs, of running nodes too. DIR is a cluster's data folder, a node's, or
a group's; FILE is a segment (.wal) or log.db. Without an argument it reads the
local cluster's (--data).

--diff looks for the first index at which logs of one group hold different entries. A
log that ends earlier or begins later than another does not differ: it may not have
received the rest, or have compacted it. It exits with 0 if they agree, 1 if they differ.`,
		Example: `  logfilter raft --group 1 --index 100..200 raftkv-data
  logfilter raft --key user:7 raftkv-data/n1
  logfilter raft --group 1 --columns              # the nodes side by side
  logfilter raft --diff n1/groups/1 n2/groups/1
  logfilter raft --type configuration --json`,
		Args: cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error { return o.run(args, std) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringSliceVar(&o.nodes, "node", nil, "entries in the logs of these nodes")
	f.StringSliceVar(&o.group, "group", nil, "of these groups: 3, 1,3, 2..4")
	f.StringSliceVar(&o.term, "term", nil, "of these terms: 5, 5.., 5..9")
	f.StringSliceVar(&o.index, "index", nil, "of these indexes: 100..200")
	f.StringSliceVar(&o.types, "type", nil, "of these types: "+strings.Join(entryTypes, ", "))
	f.StringSliceVar(&o.commands, "command", nil, "with one of these commands, such as SET; others are left out")
	f.StringSliceVar(&o.keys, "key", nil, "with commands on these keys; others are left out")
	f.StringSliceVar(&o.sessions, "session", nil, "with commands of these sessions; others are left out")
	f.StringArrayVar(&o.grep, "grep", nil, "whose text matches a regular expression")
	f.StringArrayVar(&o.not, "not", nil, "whose text does not match it")
	f.StringVarP(&o.query, "query", "q", "", "for which an expression holds; topic is the type, bytes the size")
	f.BoolVar(&o.columns, "columns", false, "the nodes' logs side by side, a row for each index")
	f.BoolVar(&o.diff, "diff", false, "only the first index where logs differ")
	f.BoolVar(&o.json, "json", false, "JSON lines")
	f.BoolVar(&o.stat, "stats", false, "counts over time, by type and node")
	f.BoolVarP(&o.count, "count", "c", false, "only how many entries there are")
	o.view.add(f)
	f.StringVar(&o.data, "data", "raftkv-data", "the local cluster's folder, read if nothing is named")
	mustComplete(cmd, "type", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return entryTypes, cobra.ShellCompDirectiveNoFileComp
	})
	return cmd
}

// entryTypes are the types of entries, those of raft and those of raftkv's own; a
// command is one of raft's that does not decode.
var entryTypes = []string{"commands", "barrier", "tick", "admin", "noop", "configuration", "command"}

func (o *raftOptions) run(args []string, std streams) error {
	f, choose, err := o.filter()
	if err != nil {
		return err
	}
	if len(args) == 0 {
		args = []string{o.data}
	}
	paths, err := findRaftLogs(args)
	if err != nil {
		return err
	}
	// Logs of nodes and groups that are not asked for are not even opened.
	paths = slices.DeleteFunc(paths, func(p raftPath) bool {
		return len(o.nodes) > 0 && !slices.Contains(o.nodes, p.node) || !choose.group(p.group)
	})
	var logs []raftLog
	for _, p := range paths {
		log, err := readRaftLog(p, choose)
		if err != nil {
			return err
		}
		logs = append(logs, log)
	}
	if len(logs) == 0 {
		return errNothing
	}
	out, done := o.view.output(std, o.diff || o.count || o.stat)
	if o.diff {
		return errors.Join(diffLogs(out, logs), done())
	}
	keep := func(e *event.Event) bool { return keepEvent(f, e) }
	shown, err := o.show(out, logs, keep)
	if doneErr := done(); err == nil {
		err = doneErr
	}
	if err == nil && shown == 0 {
		return errNothing
	}
	return err
}

// filter makes the filter of entries, and that of the commands in them.
func (o *raftOptions) filter() (*filter.Filter, *chosen, error) {
	if err := o.view.check(); err != nil {
		return nil, nil, err
	}
	for _, t := range o.types {
		if !slices.Contains(entryTypes, t) {
			return nil, nil, misuse{fmt.Errorf("--type %s: there are %s", t, strings.Join(entryTypes, ", "))}
		}
	}
	f := &filter.Filter{}
	if len(o.types) > 0 {
		f.Conds = append(f.Conds, filter.Topics(o.types))
	}
	var choose chosen
	if err := addNumbers(f, o.group, o.term, o.index); err != nil {
		return nil, nil, err
	}
	groups, err := parseRanges("group", o.group)
	if err != nil {
		return nil, nil, err
	}
	choose.groups = groups
	if err := addGreps(f, o.grep, o.not); err != nil {
		return nil, nil, err
	}
	if o.query != "" {
		q, err := filter.NewQuery(o.query)
		if err == nil {
			err = q.Unknown([]string{"bytes"})
		}
		if err != nil {
			return nil, nil, misuse{err}
		}
		f.Query = q
	}
	choose.commands, choose.keys, choose.sessions = o.commands, o.keys, o.sessions
	return f, &choose, nil
}

func keepEvent(f *filter.Filter, e *event.Event) bool {
	for i := range f.Conds {
		if !f.Conds[i].Keep(e) {
			return false
		}
	}
	m := f.Query.NewMachine()
	return m == nil || m.Keep(e)
}

// show prints the entries by group and index, and returns how many.
func (o *raftOptions) show(w io.Writer, logs []raftLog, keep func(*event.Event) bool) (shown int, err error) {
	style := o.view.style(w)
	var view show.View
	var columns *show.Columns
	switch {
	case o.columns:
		columns = show.NewColumns(w, style, nodesOf(logs))
		view = columns
	case o.json:
		view = show.NewJSON(w)
	case o.stat:
		view = show.NewStats(w, style)
	case o.count:
		view = show.NewCount(w)
	default:
		view = show.NewLines(w, style)
	}
	err = eachIndex(logs, func(row []*event.Event) error {
		row = slices.DeleteFunc(row, func(e *event.Event) bool { return !keep(e) })
		if len(row) == 0 {
			return nil
		}
		shown += len(row)
		if columns != nil {
			return columns.Row(row)
		}
		for _, e := range row {
			if err := view.Event(e, false); err != nil {
				return err
			}
		}
		return nil
	})
	if closeErr := view.Close(); err == nil {
		err = closeErr
	}
	return shown, err
}

func nodesOf(logs []raftLog) (nodes []string) {
	for _, l := range logs {
		if !slices.Contains(nodes, l.node) {
			nodes = append(nodes, l.node)
		}
	}
	return nodes
}
