package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"raftkv/cmd/logfilter/event"
	"raftkv/cmd/logfilter/filter"
	"raftkv/cmd/logfilter/merge"
	"raftkv/cmd/logfilter/scan"
	"raftkv/cmd/logfilter/show"
	"raftkv/cmd/logfilter/skew"
	"raftkv/cmd/logfilter/source"
	"raftkv/cmd/logfilter/way"
	"raftkv/kv/eventlog"
)

const (
	// mostWays is how many commands --trace follows: the last ones.
	mostWays = 5
	// afterReply is how long after a reply followers may learn of the commit, and by how
	// much clocks may differ.
	afterReply = int64(3 * time.Second)
)

// followWay shows the ways of the commands that o.trace names. It reads the logs
// twice: the first time to learn which entries carried them, the second time only
// around these.
func (o *options) followWay(ctx context.Context, w io.Writer, logs []source.Stream, opts scan.Options, warnings io.Writer) error {
	finder := &way.Finder{Name: o.trace, Most: mostWays}
	if n, err := strconv.ParseUint(o.trace, 10, 64); err == nil {
		finder.Name, finder.Index = "", n
	}
	groups := o.groups()
	told := &sessionLines{name: o.trace, style: o.view.style(w)}
	proposals := filter.Topics([]string{eventlog.TopicCommit, eventlog.TopicSession})
	opts.Filter = &filter.Filter{Since: opts.Filter.Since, Until: opts.Filter.Until, Skew: opts.Filter.Skew, Conds: []filter.Cond{proposals}}
	traced := false
	if err := each(ctx, logs, opts, func(e *event.Event) {
		traced = traced || e.Level == event.Trace
		if groups == nil || groups(e.Group.Value) {
			finder.Event(e)
			told.event(e)
		}
	}); err != nil {
		return err
	}
	finder.Close()
	if len(finder.Found) == 0 && finder.Index != 0 && traced {
		finder.Found = o.entriesAt(ctx, logs, opts, finder.Index)
	}
	if len(finder.Found) == 0 {
		if shown, err := told.print(w, nil); shown || err != nil {
			return err
		}
		if !traced {
			return fmt.Errorf("these logs have no trace of commands: run the nodes without --trace off, or switch it on: curl -X PUT -d '{\"topics\":[\"all\"]}' http://NODE/v1/log")
		}
		return errNothing
	}
	followers := make([]*way.Follower, len(finder.Found))
	since, until := int64(math.MaxInt64), int64(math.MinInt64)
	for i, x := range finder.Found {
		followers[i] = way.NewFollower(x)
		since, until = min(since, x.Queued-afterReply), max(until, ends(x))
	}
	opts.Filter = &filter.Filter{Since: since, Until: until, Skew: opts.Filter.Skew}
	clocks := skew.New()
	defer func() { warnOfClocks(warnings, clocks) }()
	if err := each(ctx, logs, opts, func(e *event.Event) {
		clocks.Event(e)
		for _, f := range followers {
			if e.Time >= f.Queued-afterReply && e.Time <= ends(f.Entry) {
				f.Event(e)
			}
		}
	}); err != nil {
		return err
	}
	if finder.Earlier > 0 {
		fmt.Fprintf(w, "%d earlier entries have it, too: see them with --until\n\n", finder.Earlier)
	}
	for i, f := range followers {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if err := show.Way(w, o.view.style(w), f); err != nil {
			return err
		}
	}
	_, err := told.print(w, followers)
	return err
}

// ends is until when lines tell of an entry.
func ends(x way.Entry) int64 {
	if x.Proposed == 0 {
		return x.Queued + 2*afterReply
	}
	return max(x.Proposed, x.Answered) + afterReply
}

// entriesAt finds the entries at an index that no proposal tells of: those of raft
// itself.
func (o *options) entriesAt(ctx context.Context, logs []source.Stream, opts scan.Options, index uint64) (found []way.Entry) {
	groups := o.groups()
	// An error was told of in the search before.
	_ = each(ctx, logs, opts, func(e *event.Event) {
		if e.Msg != "applied" || e.Index.Value != index || groups != nil && !groups(e.Group.Value) {
			return
		}
		for _, x := range found {
			if x.Group == e.Group.Value {
				return
			}
		}
		found = append(found, way.Entry{Group: e.Group.Value, Index: index, Term: e.Term.Value, Queued: e.Time - afterReply})
	})
	return found
}

// each calls fn with all events that a search finds, merged.
func each(ctx context.Context, logs []source.Stream, opts scan.Options, fn func(*event.Event)) error {
	search := scan.Start(ctx, logs, opts)
	defer search.Close()
	merge.Merge(search.Logs(), func(e *event.Event) bool {
		fn(e)
		return true
	})
	var errs []error
	for _, log := range search.Logs() {
		if ctx.Err() == nil {
			errs = append(errs, log.Err())
		}
	}
	return errors.Join(errs...)
}
