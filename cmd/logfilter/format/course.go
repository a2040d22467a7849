package format

import (
	"bytes"

	"raftkv/cmd/logfilter/event"
)

var _ Parser = (*Course)(nil)

// Course reads the lines that students of MIT 6.824/6.5840 print, most of them
// after "Debugging by Pretty Printing" (blog.josejg.com/debugging-pretty):
//
//	000123 VOTE S1 T3 -> S2 asking for a vote
//	[1] became candidate for T3
//
// The number is in units of 100 microseconds since the start of the test; lines
// that begin with a server in brackets have no time.
type Course struct{}

// Name implements Parser.
func (*Course) Name() string { return "course" }

const courseUnit = 100_000 // nanoseconds

// Parse implements Parser.
func (c *Course) Parse(line []byte, e *event.Event) bool {
	ns, topic, b, ok := courseHead(line)
	if !ok {
		node, rest, ok := leadingServer(line)
		if !ok || line[0] != '[' {
			return false
		}
		e.Node, e.Msg, e.Rest = node, asString(rest), c
		takeCourseTerm(rest, e)
		return true
	}
	e.Time, e.HasTime, e.Topic, e.Rest = ns, true, asString(topic), c
	if level, ok := event.ParseLevel(e.Topic); ok {
		e.Level = level
	}
	if node, rest, ok := leadingServer(b); ok {
		e.Node, b = node, rest
	}
	e.Msg = asString(b)
	takeCourseTerm(b, e)
	return true
}

// courseHead reads the number and the topic, a word of 3 to 6 capitals.
func courseHead(line []byte) (ns int64, topic, rest []byte, ok bool) {
	n := digits(line)
	if n < 3 || n > 15 || n >= len(line) || line[n] != ' ' {
		return 0, nil, nil, false
	}
	count, _ := parseUint(line[:n])
	b := line[n+1:]
	end := 0
	for end < len(b) && (b[end] >= 'A' && b[end] <= 'Z' || digit(b[end])) {
		end++
	}
	if end < 3 || end > 6 || end < len(b) && b[end] != ' ' {
		return 0, nil, nil, false
	}
	if count > 1<<62/courseUnit {
		return 0, nil, nil, false
	}
	return int64(count) * courseUnit, b[:end], bytes.TrimLeft(b[end:], " "), true
}

// takeCourseTerm finds the first T3 or T:3 in a message.
func takeCourseTerm(b []byte, e *event.Event) {
	for i := 0; i+1 < len(b); i++ {
		if b[i] != 'T' || i > 0 && b[i-1] != ' ' && b[i-1] != '(' && b[i-1] != '[' {
			continue
		}
		from := i + 1
		if b[from] == ':' {
			from++
		}
		n := digits(b[from:])
		end := from + n
		if n > 0 && (end == len(b) || !keyByte(b[end]) || b[end] == '.' || b[end] == '-') {
			takeNumber(termField, b[from:end], e)
			return
		}
	}
}

// Time implements Parser.
func (*Course) Time(line []byte) (int64, bool) {
	ns, _, _, ok := courseHead(line)
	return ns, ok
}

// Attrs implements event.Fields: all is in the message.
func (*Course) Attrs([]byte, func(string, event.Value) bool) {}
