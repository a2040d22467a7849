package way

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"raftkv/cmd/logfilter/event"
	"raftkv/kv/eventlog"
)

// Follower collects an entry's legs. Feed it the lines of the traces from its
// proposal on, in the order of time, then call Legs.
type Follower struct {
	Entry
	messages map[messageKey]*message
	order    []*message
	stored   map[string]moment // by node
	applied  map[string]moment
	waited   int64  // of the proposer's node for its own disk
	replaced uint64 // the term of an entry that another leader has put in its place
	sessions []Leg  // what its commands met in their sessions
}

// messageKey names a message: no node gives a number twice.
type messageKey struct {
	node   string
	number uint64
}

// message is an append that carried the entry. Times are 0 if not known.
type message struct {
	from, to                           string
	sent, received, answered, returned int64
	entries                            uint64
	term                               uint64 // of the leader that sent it
	failure                            string
	refused                            bool
}

type moment struct {
	from, to int64
	entries  uint64
}

// NewFollower returns a follower of x.
func NewFollower(x Entry) *Follower {
	return &Follower{Entry: x, messages: make(map[messageKey]*message), stored: make(map[string]moment), applied: make(map[string]moment)}
}

// Event takes the next line.
func (f *Follower) Event(e *event.Event) {
	if !e.Group.Set || e.Group.Value != f.Group {
		return
	}
	switch {
	case e.Topic == eventlog.TopicReplication:
		f.message(e)
	case e.Topic == eventlog.TopicSession:
		if _, command := e.Attr("key"); command && f.Index != 0 && e.Index.Value == f.Index && e.Term.Value == f.Term {
			f.sessions = append(f.sessions, Leg{e.Node, "does not execute it", e.Time, e.Time, strings.Clone(e.Msg) + sessionNote(e)})
		}
	case e.Topic == eventlog.TopicStore && e.Msg == sayStored && f.other(e):
		if e.Term.Value > f.Term {
			f.replaced = max(f.replaced, e.Term.Value)
		}
	case e.Topic == eventlog.TopicStore && e.Msg == sayStored && f.covers(e):
		if _, known := f.stored[e.Node]; !known {
			f.stored[e.Node] = moment{e.Time - span(e, "took"), e.Time, number(e, "entries")}
		}
	case e.Topic == eventlog.TopicCommit && e.Msg == sayApplied && !f.other(e) && f.covers(e):
		if _, known := f.applied[e.Node]; !known {
			f.applied[e.Node] = moment{e.Time - span(e, "took"), e.Time, number(e, "entries")}
			if e.Node == f.Node {
				f.waited = span(e, "waited")
			}
		}
	}
}

// sessionNote names the session that a line is about.
func sessionNote(e *event.Event) string {
	note := ", session " + text(e, "session")
	if since := number(e, "since"); since != 0 {
		note += fmt.Sprintf(", known since index %d", since)
	}
	return note
}

// other tells whether a line is about another entry with the same index: the last of
// its entries has this index and another term. So it is when a leader had the entry
// alone and lost its place.
func (f *Follower) other(e *event.Event) bool {
	return f.Index != 0 && f.Term != 0 && e.Index.Value == f.Index && e.Term.Set && e.Term.Value != f.Term
}

// covers tells whether the entry is among those of a line. The first that its node
// stores or sends after the proposal is it, if no answer has told its index: one is
// in flight at a time.
func (f *Follower) covers(e *event.Event) bool {
	n := number(e, "entries")
	if n == 0 || !e.Index.Set {
		return false
	}
	if f.Index == 0 && f.Proposed != 0 && e.Node == f.Node && e.Time >= f.Proposed && e.Msg != sayApplied {
		f.Index, f.Term = e.Index.Value, e.Term.Value
	}
	return f.Index != 0 && e.Index.Value >= f.Index && e.Index.Value-n < f.Index
}

func (f *Follower) message(e *event.Event) {
	way, peer := text(e, "way"), text(e, "peer")
	key := messageKey{e.Node, number(e, "message")}
	if way == "received" || way == "answered" {
		key.node = peer
	}
	m := f.messages[key]
	if m == nil {
		if (way != "sent" && way != "received") || !f.covers(e) {
			return
		}
		m = &message{from: key.node, to: peer, term: e.Term.Value, entries: number(e, "entries")}
		if way == "received" {
			m.to = e.Node
		}
		f.messages[key] = m
		f.order = append(f.order, m)
	}
	switch way {
	case "sent":
		m.sent = e.Time
	case "received":
		m.received = e.Time
	case "answered":
		m.answered = e.Time
		m.refused = text(e, "success") == "false"
	case "returned":
		m.returned, m.failure = e.Time, text(e, "error")
	}
}

// Legs returns the way so far, ordered by when each leg begins.
func (f *Follower) Legs() []Leg {
	var legs []Leg
	add := func(node, what string, from, to int64, note string) {
		legs = append(legs, Leg{node, what, from, to, note})
	}
	if f.Proposed != 0 {
		add(f.Node, "waits its turn", f.Queued, f.Proposed, "")
	}
	for _, m := range f.order {
		if f.replaced != 0 && m.term >= f.replaced {
			continue // it carried the other one
		}
		f.messageLegs(m, add)
	}
	for node, s := range f.stored {
		add(node, "writes it to its disk", s.from, s.to, together(s.entries))
	}
	for node, a := range f.applied {
		if f.replaced != 0 {
			break // a later leader has all that was committed: this was the other one
		}
		what := "applies it"
		if node == f.Node {
			what = "knows of the commit, applies it"
		}
		add(node, what, a.from, a.to, together(a.entries))
	}
	legs = append(legs, f.sessions...)
	if f.Answered != 0 {
		note := f.Failure
		if note != "" {
			note = "the clients are told: " + note
		}
		add(f.Node, "answers", f.Answered, f.Answered, note)
	}
	slices.SortStableFunc(legs, func(a, b Leg) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), cmp.Compare(a.Node, b.Node))
	})
	return legs
}

// together says that an entry did not go alone.
func together(entries uint64) string {
	if entries < 2 {
		return ""
	}
	return fmt.Sprintf("with %d others", entries-1)
}

func (f *Follower) messageLegs(m *message, add func(node, what string, from, to int64, note string)) {
	switch {
	case m.sent != 0 && m.received != 0:
		add(m.from+"→"+m.to, "append", m.sent, m.received, together(m.entries))
	case m.sent != 0:
		note := "no line tells that it has arrived"
		if m.failure != "" {
			note = "it failed after " + time.Duration(m.returned-m.sent).Round(time.Millisecond).String() + ": " + m.failure
		}
		add(m.from+"→"+m.to, "append", m.sent, m.sent, note)
	}
	if m.answered == 0 {
		return
	}
	note := ""
	if m.refused {
		note = "refused: its log differs or lacks what is before"
	}
	if m.returned != 0 && m.failure == "" {
		add(m.to+"→"+m.from, "answer", m.answered, m.returned, note)
	} else {
		add(m.to+"→"+m.from, "answer", m.answered, m.answered, cmp.Or(note, "no line tells that it has arrived"))
	}
}

// Waited says what the reply had to wait for, as far as the trace proves it: the
// leader's own disk, or the answer that made the quorum; or that the entry is lost. ""
// if it does not.
func (f *Follower) Waited() string {
	if f.replaced != 0 {
		return fmt.Sprintf("It is lost: the leader of term %d has put another entry in its place, and no node has applied it.", f.replaced)
	}
	own, applied := f.stored[f.Node], f.applied[f.Node]
	if own.to == 0 || applied.to == 0 {
		return ""
	}
	if f.waited > int64(100*time.Microsecond) {
		return fmt.Sprintf("The reply waited for %s's own disk: a quorum had the entry %s before.", f.Node, short(f.waited))
	}
	var last *message
	for _, m := range f.order {
		if m.returned != 0 && m.failure == "" && !m.refused && m.returned <= applied.from && (last == nil || m.returned > last.returned) {
			last = m
		}
	}
	if last == nil || last.returned < own.to {
		return fmt.Sprintf("The reply waited for %s's own disk.", f.Node)
	}
	text := fmt.Sprintf("The reply waited for %s, whose answer made the quorum %s after the append was sent", last.to, short(last.returned-last.sent))
	if s := f.stored[last.to]; s.to != 0 && s.to <= last.answered {
		text += fmt.Sprintf("; %s of that on its disk", short(s.to-s.from))
	}
	return text + "."
}

func short(ns int64) string {
	d := time.Duration(ns)
	for unit := time.Microsecond; unit < time.Second; unit *= 10 {
		if d < 1000*unit {
			return d.Round(unit).String()
		}
	}
	return d.Round(time.Millisecond).String()
}
