package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"raftkv/cmd/logfilter/event"
	"raftkv/cmd/logfilter/show"
	"raftkv/cmd/logfilter/way"
	"raftkv/kv/eventlog"
)

// mostSessionLines is how many lines about a session --trace shows: the last ones.
const mostSessionLines = 20

// sessionLines are what the nodes' logs say of a session. They say it without a
// trace, too.
type sessionLines struct {
	name  string
	style show.Style
	lines []sessionLine
}

type sessionLine struct {
	group, index uint64
	command      bool // it is about a command, which an entry's way tells of
	text         string
}

// event keeps a line if it is about the session.
func (s *sessionLines) event(e *event.Event) {
	if e.Topic != eventlog.TopicSession {
		return
	}
	if v, there := e.Attr("session"); !there || v.Text != s.name {
		return
	}
	var text strings.Builder
	line := show.NewLines(&text, s.style)
	if line.Event(e, false) != nil || line.Close() != nil {
		return // a Builder takes all
	}
	_, command := e.Attr("key")
	s.lines = append(s.lines, sessionLine{e.Group.Value, e.Index.Value, command, text.String()})
	if len(s.lines) > mostSessionLines {
		s.lines = slices.Delete(s.lines, 0, 1)
	}
}

// print shows those that are about none of the entries whose ways were shown, and
// tells whether there are any.
func (s *sessionLines) print(w io.Writer, shown []*way.Follower) (some bool, err error) {
	for _, l := range s.lines {
		if slices.ContainsFunc(shown, func(f *way.Follower) bool {
			return l.command && f.Index != 0 && f.Group == l.group && f.Index == l.index
		}) {
			continue
		}
		if !some && len(shown) > 0 {
			fmt.Fprintln(w)
		}
		some = true
		if _, err := io.WriteString(w, l.text); err != nil {
			return true, err
		}
	}
	return some, nil
}
