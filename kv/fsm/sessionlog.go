package fsm

import (
	"log/slog"
	"time"

	"raftkv/kv/eventlog"
)

// sessionLines bounds what a group's log says of sessions: so many lines a second,
// and so many events that one entry keeps for it. A client that repeats itself all
// the time must not push what is seldom out of the log.
const sessionLines = 20

// sessionEvent is what befell a session, seldom in order.
type sessionEvent struct {
	msg string
	session
	key   string // "" for what is about no command
	asked uint64 // sequence number of the command
}

// What happens to sessions, as the log says it.
const (
	sayRepeated = "a repeated command is answered from memory"
	sayOutdated = "an older sequence number is refused"
	sayForgot   = "a session ends: it was idle"
)

// sessionEvents are those of one entry. They are kept where somebody waits for the
// entry's replies alone: followers and restarts execute the same entries, and would
// tell the same again.
type sessionEvents struct {
	wanted bool
	kept   []sessionEvent
	more   int // beyond sessionLines
}

// add keeps what happened, while x is known. It changes nothing that is replicated.
func (s *sessionEvents) add(msg string, x *session, key []byte, asked uint64) {
	switch {
	case !s.wanted:
	case len(s.kept) >= sessionLines:
		s.more++
	default:
		s.kept = append(s.kept, sessionEvent{msg, *x, string(key), asked})
	}
}

// sessionLog writes them. It is used by the goroutine that applies entries.
type sessionLog struct {
	log    *slog.Logger // nil: nobody reads it
	group  uint32
	now    func() time.Time
	since  time.Time // when the current second began
	lines  int       // written in it
	unsaid int       // events without a line; the next line tells how many
}

// write tells of an entry's events and forgets them.
func (l *sessionLog) write(events *sessionEvents, term, index uint64) {
	if len(events.kept) == 0 {
		return
	}
	if now := l.now(); now.Sub(l.since) >= time.Second {
		l.since, l.lines = now, 0
	}
	for i := range events.kept {
		if l.log == nil || l.lines >= sessionLines {
			l.unsaid++
			continue
		}
		l.lines++
		l.line(&events.kept[i], term, index)
	}
	l.unsaid += events.more
	clear(events.kept)
	events.kept, events.more = events.kept[:0], 0
}

func (l *sessionLog) line(e *sessionEvent, term, index uint64) {
	attrs := []any{
		eventlog.KeyTopic, eventlog.TopicSession, eventlog.KeyGroup, l.group, eventlog.KeyTerm, term, eventlog.KeyIndex, index,
		"session", e.id, "slot", e.slot, "last", e.seq,
	}
	switch e.msg {
	case sayRepeated:
		attrs = append(attrs, "key", e.key, "since", e.changed)
	case sayOutdated:
		attrs = append(attrs, "key", e.key, "asked", e.asked)
	}
	if l.unsaid > 0 {
		attrs = append(attrs, "unsaid", l.unsaid)
		l.unsaid = 0
	}
	l.log.Info(e.msg, attrs...)
}
