package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	"raftkv/cmd/logfilter/diagram"
	"raftkv/cmd/logfilter/event"
	"raftkv/cmd/logfilter/filter"
	"raftkv/cmd/logfilter/scan"
	"raftkv/cmd/logfilter/show"
	"raftkv/cmd/logfilter/skew"
	"raftkv/cmd/logfilter/source"
	"raftkv/kv/eventlog"
)

// draw writes a diagram of what the logs tell into o.diagram. The conditions choose
// the lines beside it; group, since and until what is drawn, too.
func (o *options) draw(ctx context.Context, w io.Writer, logs []source.Stream, opts scan.Options, warnings io.Writer) error {
	chosen := opts.Filter
	groupsAlone := len(chosen.Conds) == 1 && len(o.group) > 0
	lines := func(e *event.Event) bool {
		// What is about no group, as a fault or a start, is about all of them.
		if groupsAlone && !e.Group.Set && (e.Topic == eventlog.TopicFault || e.Topic == eventlog.TopicNode) {
			return true
		}
		for _, c := range chosen.Conds {
			if !c.Keep(e) {
				return false
			}
		}
		return true
	}
	c := diagram.NewCollector(diagram.Options{Since: chosen.Since, Until: chosen.Until, Group: o.groups(), Line: lines, Text: show.Text})
	opts.Filter = &filter.Filter{Since: math.MinInt64, Until: math.MaxInt64, Skew: chosen.Skew}
	clocks := skew.New()
	defer func() { warnOfClocks(warnings, clocks) }()
	if err := each(ctx, logs, opts, func(e *event.Event) {
		c.Event(e)
		clocks.Event(e)
	}); err != nil {
		return err
	}
	d := c.Data()
	if len(d.Nodes) == 0 {
		return errNothing
	}
	if len(d.Messages) == 0 {
		d.Notes = append(d.Notes, "there are no messages: the nodes had no trace in this time (--trace off)")
	}
	f, err := os.Create(o.diagram)
	if err != nil {
		return err
	}
	if strings.EqualFold(filepath.Ext(o.diagram), ".svg") {
		err = diagram.SVG(f, d, o.view.zone())
	} else {
		err = diagram.HTML(f, d)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s: %d nodes, %d messages, %d marks, %d lines%s\n", o.diagram, len(d.Nodes), len(d.Messages), len(d.Marks), len(d.Lines), notes(d))
	return err
}

func notes(d *diagram.Data) string {
	if len(d.Notes) == 0 {
		return ""
	}
	return " (" + strings.Join(d.Notes, ", ") + ")"
}
