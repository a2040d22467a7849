package scan

import (
	"context"
	"errors"
	"time"

	"raftkv/cmd/logfilter/event"
	"raftkv/cmd/logfilter/merge"
	"raftkv/cmd/logfilter/source"
)

// Listener hears of events as they come.
type Listener interface {
	// Event takes an event and reports whether it wants more.
	Event(e *event.Event) bool
	// Idle is called when nothing more is there for now; it reports likewise.
	Idle() bool
}

// Following says what Follow reads.
type Following struct {
	Options
	// Find lists the logs. It is called again and again: nodes may be added.
	Find func() ([]source.Stream, error)
	// Poll is how often files are looked at, and Hold how long an event waits
	// for earlier ones of other logs. 0 means 50 and 150 milliseconds.
	Poll, Hold time.Duration
}

const (
	defaultPoll = 50 * time.Millisecond
	defaultHold = 150 * time.Millisecond
	// findEvery is how many polls pass between two looks for new logs.
	findEvery = 10
)

// Follow reports all events that are in the logs, merged, and then those that
// are appended, until ctx ends. Files may be rotated, truncated, removed and made
// anew meanwhile. Files are looked at, not watched: that works on every file
// system, and asks little.
func Follow(ctx context.Context, o Following, to Listener) error {
	if o.Poll == 0 {
		o.Poll = defaultPoll
	}
	if o.Hold == 0 {
		o.Hold = defaultHold
	}
	f := &follower{Following: o, searcher: &searcher{Options: o.Options, size: maxChunk}}
	defer f.close()
	if err := f.find(); err != nil {
		return err
	}
	alive := true
	merge.Merge(f.tails, func(e *event.Event) bool {
		alive = to.Event(e) && ctx.Err() == nil
		return alive
	})
	tick := time.NewTicker(o.Poll)
	defer tick.Stop()
	for n := 1; alive && to.Idle(); n++ {
		select {
		case <-ctx.Done():
			return f.err()
		case <-tick.C:
		}
		if n%findEvery == 0 {
			// A folder that cannot be listed now may be listed later.
			_ = f.find()
		}
		alive = f.poll(time.Now(), to)
	}
	return f.err()
}

// follower is the state of Follow.
type follower struct {
	Following
	searcher *searcher
	tails    []*tail
}

// find begins to follow logs that were not there before.
func (f *follower) find() error {
	streams, err := f.Find()
	if err != nil {
		return err
	}
	known := make(map[string]bool, len(f.tails))
	for _, t := range f.tails {
		known[t.stream.Path] = true
	}
	for _, s := range streams {
		if !known[s.Path] {
			f.tails = append(f.tails, newTail(s, f.searcher, len(f.tails)))
		}
	}
	return nil
}

// poll reads what is new and reports what has waited long enough.
func (f *follower) poll(now time.Time, to Listener) bool {
	for _, t := range f.tails {
		t.wait(now)
	}
	for {
		var first *tail
		for _, t := range f.tails {
			if len(t.waiting) > 0 && (first == nil || t.waiting[0].event.Time < first.waiting[0].event.Time) {
				first = t
			}
		}
		if first == nil || now.Sub(first.waiting[0].since) < f.Hold && len(first.waiting) < maxWaiting {
			return true
		}
		e := first.waiting[0].event
		first.waiting = first.waiting[1:]
		if !to.Event(e) {
			return false
		}
	}
}

func (f *follower) err() error {
	var errs []error
	for _, t := range f.tails {
		errs = append(errs, t.err)
	}
	return errors.Join(errs...)
}

func (f *follower) close() {
	for _, t := range f.tails {
		t.close()
	}
}
