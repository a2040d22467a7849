package way

import (
	"slices"
	"strings"

	"raftkv/cmd/logfilter/event"
)

// Finder looks for the entries that carried what somebody asks for. Feed it the
// proposals and answers of the traces in the order of time, then look at Found.
type Finder struct {
	// Name is a key or the id of a session; Index one of raft's indexes, 0 if a name
	// is looked for.
	Name  string
	Index uint64
	// Most is how many entries are kept: the last ones.
	Most int

	// Found are the entries, Earlier is how many more there were before them.
	Found   []Entry
	Earlier int

	// pending are entries whose answer is not known, by node and group: one is in
	// flight at a time.
	pending map[place]Entry
}

type place struct {
	node  string
	group uint64
}

// Event takes the next line.
func (f *Finder) Event(e *event.Event) {
	if f.pending == nil {
		f.pending = make(map[place]Entry)
	}
	at := place{e.Node, e.Group.Value}
	switch {
	case isProposal(e):
		f.unanswered(at)
		if f.Name == "" || names(e, "keys", f.Name) || names(e, "sessions", f.Name) {
			f.pending[at] = proposed(e)
		}
	case isAnswer(e):
		x, ok := f.pending[at]
		if !ok || x.Proposal != number(e, "proposal") {
			return
		}
		delete(f.pending, at)
		x.Term, x.Index, x.Answered, x.Failure = e.Term.Value, e.Index.Value, e.Time, text(e, "error")
		if f.Name != "" || x.Index == f.Index {
			f.add(x)
		}
	}
}

// Close takes what is still without an answer at the end of the traces.
func (f *Finder) Close() {
	for at := range f.pending {
		f.unanswered(at)
	}
	slices.SortStableFunc(f.Found, func(a, b Entry) int { return int(min(1, max(-1, a.Proposed-b.Proposed))) })
}

// unanswered takes an entry whose answer never came: its node has died.
func (f *Finder) unanswered(at place) {
	x, ok := f.pending[at]
	if ok && f.Name != "" {
		f.add(x)
	}
	delete(f.pending, at)
}

func (f *Finder) add(x Entry) {
	f.Found = append(f.Found, x)
	if len(f.Found) > f.Most {
		f.Found = slices.Delete(f.Found, 0, 1)
		f.Earlier++
	}
}

// names tells whether a list in e has a name.
func names(e *event.Event, list, name string) bool {
	v, there := e.Attr(list)
	return there && slices.Contains(strings.Fields(v.Text), strings.ReplaceAll(name, " ", "_"))
}
