package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"raftkv/cmd/logfilter/event"
	"raftkv/cmd/logfilter/filter"
	"raftkv/kv/decode"
)

// snapshotOptions are the flags of `logfilter snapshot`.
type snapshotOptions struct {
	index, keys, sessions []string
	grep, not             []string
	json, count           bool
}

func newSnapshot(std streams) *cobra.Command {
	var o snapshotOptions
	cmd := &cobra.Command{
		Use:   "snapshot [flags] FILE",
		Short: "Decode a snapshot and check that it is whole",
		Long:  "Decode a snapshot and check that it is whole. FILE is state.snap of a snapshot.",
		Example: `  logfilter snapshot raftkv-data/n1/groups/1/snapshots/*/state.snap
  logfilter snapshot --key user:7 --json state.snap
  logfilter snapshot --index 1000.. state.snap       # keys changed or deleted since`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return misuse{fmt.Errorf("logfilter snapshot takes one FILE")}
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return o.run(args[0], std.out) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringSliceVar(&o.keys, "key", nil, "these keys")
	f.StringSliceVar(&o.sessions, "session", nil, "these sessions")
	f.StringSliceVar(&o.index, "index", nil, "keys changed or deleted by these entries: 100..200")
	f.StringArrayVar(&o.grep, "grep", nil, "records whose text matches a regular expression")
	f.StringArrayVar(&o.not, "not", nil, "records whose text does not match it")
	f.BoolVar(&o.json, "json", false, "JSON lines")
	f.BoolVarP(&o.count, "count", "c", false, "only how many records there are")
	return cmd
}

func (o *snapshotOptions) run(path string, w io.Writer) error {
	ranges, err := parseRanges("index", o.index)
	if err != nil {
		return err
	}
	var f filter.Filter
	if err := addGreps(&f, o.grep, o.not); err != nil {
		return err
	}
	some := len(ranges)+len(o.keys)+len(o.sessions)+len(f.Conds) > 0
	out := bufio.NewWriter(w)
	n := 0
	err = decode.Snapshot(path, func(r decode.Record) error {
		if some && (!o.chosen(r, ranges) || !keepEvent(&f, &event.Event{Raw: []byte(r.Text)})) {
			return nil
		}
		n++
		if o.count || o.json && r.JSON == nil {
			return nil
		}
		if o.json {
			return json.NewEncoder(out).Encode(r.JSON)
		}
		_, err := fmt.Fprintln(out, r.Text)
		return err
	})
	if o.count && err == nil {
		fmt.Fprintln(out, n)
	}
	if flushErr := out.Flush(); err == nil {
		err = flushErr
	}
	if err == nil && n == 0 {
		return errNothing
	}
	return err
}

// chosen reports whether flags choose the record: keys and sessions each by
// their own.
func (o *snapshotOptions) chosen(r decode.Record, ranges []filter.Range) bool {
	if len(ranges) > 0 && !slices.ContainsFunc(ranges, func(in filter.Range) bool { return r.Index > 0 && in.Has(r.Index) }) {
		return false
	}
	switch {
	case len(o.keys)+len(o.sessions) == 0:
		return true
	case r.Part == decode.KeyPart || r.Part == decode.TombstonePart:
		return slices.Contains(o.keys, r.Name)
	case r.Part == decode.SessionPart:
		return slices.Contains(o.sessions, r.Name)
	}
	return false
}
