package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"raftkv/cmd/logfilter/event"
	"raftkv/cmd/logfilter/filter"
	"raftkv/cmd/logfilter/merge"
	"raftkv/cmd/logfilter/scan"
	"raftkv/cmd/logfilter/show"
	"raftkv/cmd/logfilter/skew"
	"raftkv/cmd/logfilter/source"
)

// run answers what the flags ask.
func (o *options) run(ctx context.Context, args []string, std streams) error {
	if err := o.check(); err != nil {
		return err
	}
	f, err := o.filter()
	if err != nil {
		return err
	}
	logs, err := o.logs(args)
	if err != nil {
		return err
	}
	known, err := look(logs, o.format)
	if err != nil {
		return err
	}
	if err := o.fit(f, known); err != nil {
		return err
	}
	out, done := o.view.output(std, o.follow || o.count || o.stat)
	if o.trace != "" {
		err := o.followWay(ctx, out, logs, scan.Options{Filter: f, Format: o.format, Stdin: std.in}, std.err)
		return errors.Join(err, done())
	}
	if o.diagram != "" {
		err := o.draw(ctx, out, logs, scan.Options{Filter: f, Format: o.format, Stdin: std.in}, std.err)
		return errors.Join(err, done())
	}
	view := o.chooseView(out, known)
	if whole := o.wholeView(out, f); whole != nil {
		view = whole
	}
	story := &story{view: view, clocks: skew.New()}
	defer func() { warnOfClocks(std.err, story.clocks) }()
	if o.context > 0 {
		story.context = merge.NewContext(o.context)
	}
	scanning := scan.Options{Filter: f, Format: o.format, All: o.context > 0, Stdin: std.in}
	if o.follow {
		err = scan.Follow(ctx, scan.Following{Options: scanning, Find: func() ([]source.Stream, error) { return o.logs(args) }}, story)
	} else {
		err = story.tell(ctx, logs, scanning)
	}
	err = errors.Join(err, story.err)
	if closeErr := view.Close(); err == nil {
		err = closeErr
	}
	if doneErr := done(); err == nil {
		err = doneErr
	}
	if err == nil && story.shown == 0 {
		o.hint(std.err, known)
		return errNothing
	}
	return err
}

// logs finds what to read: the arguments, or the local cluster's logs.
func (o *options) logs(args []string) ([]source.Stream, error) {
	named := args
	if len(args) == 0 {
		args = []string{o.data}
	}
	logs, err := source.Find(args)
	switch {
	case len(named) == 0 && errors.Is(err, os.ErrNotExist):
		return nil, misuse{fmt.Errorf("there is no local cluster in %s: name files or folders with logs, or - for standard input", o.data)}
	case err == nil && !o.wantsTrace():
		logs = withoutTrace(logs, named)
	}
	return logs, err
}

// fit completes the filter with what depends on the logs, and looks for slips in
// names.
func (o *options) fit(f *filter.Filter, known *survey) error {
	if len(o.topics) > 0 {
		topics, err := chooseTopics(o.topics, known.topics)
		if err != nil {
			return err
		}
		f.Conds = append(f.Conds, filter.Topics(topics))
	}
	if f.Query != nil {
		if err := f.Query.Unknown(known.attrs); err != nil {
			return misuse{err}
		}
	}
	for _, bound := range []struct {
		flag, text string
		to         *int64
	}{{"since", o.since, &f.Since}, {"until", o.until, &f.Until}} {
		if bound.text == "" {
			continue
		}
		t, err := known.when(bound.text, o.view.zone(), o.follow)
		if err != nil {
			return misuse{fmt.Errorf("--%s: %w", bound.flag, err)}
		}
		*bound.to = t
	}
	return nil
}

func (o *options) chooseView(w io.Writer, known *survey) show.View {
	style := o.view.style(w)
	switch {
	case o.columns:
		nodes := known.nodes
		if len(o.nodes) > 0 && o.context == 0 {
			nodes = o.nodes
		}
		return show.NewColumns(w, style, nodes)
	case o.json:
		return show.NewJSON(w)
	case o.stat:
		return show.NewStats(w, style)
	case o.count:
		return show.NewCount(w)
	}
	return show.NewLines(w, style)
}

// hint tells of names that no log has, when nothing was found.
func (o *options) hint(w io.Writer, known *survey) {
	for _, asked := range []struct {
		what  string
		names []string
		seen  []string
	}{{"node", o.nodes, known.nodes}, {"topic", o.topics, known.topics}} {
		if len(asked.names) > 0 && len(asked.seen) > 0 && len(asked.seen) <= 30 {
			fmt.Fprintf(w, "logfilter: nothing matched; %ss here are %s\n", asked.what, strings.Join(asked.seen, ", "))
		}
	}
}

// story is what is shown of the merged logs.
type story struct {
	view    show.View
	context *merge.Context
	clocks  *skew.Watcher
	shown   int
	err     error // of the view
}

// tell shows what a search finds.
func (s *story) tell(ctx context.Context, logs []source.Stream, o scan.Options) error {
	search := scan.Start(ctx, logs, o)
	defer search.Close()
	merge.Merge(search.Logs(), func(e *event.Event) bool {
		return s.Event(e)
	})
	var errs []error
	for _, log := range search.Logs() {
		if ctx.Err() == nil {
			errs = append(errs, log.Err())
		}
	}
	return errors.Join(errs...)
}

var _ scan.Listener = (*story)(nil)

// Event implements scan.Listener.
func (s *story) Event(e *event.Event) bool {
	if s.context != nil {
		return s.context.Add(e, s.show)
	}
	return s.show(e, false)
}

func (s *story) show(e *event.Event, gap bool) bool {
	s.shown++
	s.clocks.Event(e)
	if err := s.view.Event(e, gap); err != nil {
		s.err = err
	}
	return s.err == nil
}

// Idle implements scan.Listener: what was found must not wait for more.
func (s *story) Idle() bool {
	if err := s.view.Flush(); err != nil {
		s.err = err
	}
	return s.err == nil
}
