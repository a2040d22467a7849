package format

import (
	"raftkv/cmd/logfilter/event"
)

var _ Parser = (*Logfmt)(nil)

// Logfmt reads key=value lines, as slog's text handler and logrus write them.
type Logfmt struct{ names *names }

// Name implements Parser.
func (*Logfmt) Name() string { return "logfmt" }

// Parse implements Parser. A line is logfmt if it consists of pairs and has a
// time, a level or a message: plain words alone could be anything.
func (l *Logfmt) Parse(line []byte, e *event.Event) bool {
	was, sure := *e, false
	for b := line; ; {
		key, value, quoted, rest, ok := nextPair(b)
		if !ok {
			*e = was
			return false
		}
		if f := l.names.field[string(key)]; f != noField && takePair(f, value, quoted, e) {
			sure = sure || f == timeField || f == levelField || f == msgField
		}
		if b = rest; len(b) == 0 {
			break
		}
	}
	if !sure {
		*e = was
		return false
	}
	e.Rest = l
	return true
}

// Time implements Parser.
func (l *Logfmt) Time(line []byte) (int64, bool) {
	for b := line; len(b) > 0; {
		key, value, quoted, rest, ok := nextPair(b)
		if !ok {
			return 0, false
		}
		if l.names.field[string(key)] == timeField {
			return parseTime([]byte(pairText(value, quoted)))
		}
		b = rest
	}
	return 0, false
}

// Attrs implements event.Fields.
func (l *Logfmt) Attrs(line []byte, yield func(string, event.Value) bool) {
	l.names.eachPair(line, yield)
}
