package format

import (
	"bytes"

	"raftkv/cmd/logfilter/event"
	"raftkv/kv/eventlog"
)

var _ Parser = (*Plain)(nil)

// Plain reads lines that begin with a date and a clock: hclog's text, package
// log's lines, and many others.
//
//	2024-05-06T07:08:09.010Z [WARN]  raft: heartbeat timeout reached: last-leader-id=n2 term=7
//	2024/05/06 07:08:09.010203 [1] became candidate
type Plain struct{ names *names }

// Name implements Parser.
func (*Plain) Name() string { return "plain" }

// Parse implements Parser.
func (p *Plain) Parse(line []byte, e *event.Event) bool {
	ns, n, ok := leadingTime(line)
	if !ok {
		return false
	}
	e.Time, e.HasTime, e.Rest = ns, true, p
	b := bytes.TrimLeft(line[n:], " \t")
	level, rest, ok := leadingLevel(b)
	if ok {
		e.Level, b = level, rest
	}
	if node, rest, ok := leadingServer(b); ok {
		e.Node, b = node, rest
	}
	logger := asString(leadingLogger(b))
	if logger != "" {
		e.Topic, b = logger, b[len(logger)+2:]
	}
	msg, pairs := cutPairs(b)
	e.Msg = asString(msg)
	if logger == "raft" || logger == "raft-net" || bytes.HasSuffix([]byte(logger), []byte(".raft")) {
		e.Topic = eventlog.TopicOf(e.Msg, logger)
	}
	for len(pairs) > 0 {
		key, value, quoted, rest, ok := nextPair(pairs)
		if !ok {
			break
		}
		if f := p.names.field[string(key)]; f != noField && f != timeField && f != msgField {
			takePair(f, value, quoted, e)
		}
		pairs = rest
	}
	return true
}

// Time implements Parser.
func (*Plain) Time(line []byte) (int64, bool) {
	ns, _, ok := leadingTime(line)
	return ns, ok
}

// Attrs implements event.Fields.
func (p *Plain) Attrs(line []byte, yield func(string, event.Value) bool) {
	_, n, _ := leadingTime(line)
	_, pairs := cutPairs(line[n:])
	p.names.eachPair(pairs, yield)
}

// leadingLevel reads [WARN], WARN or warn: and what separates it from the rest.
func leadingLevel(b []byte) (event.Level, []byte, bool) {
	word := b
	if end := bytes.IndexAny(b, " \t"); end >= 0 {
		word = b[:end]
	}
	after := b[len(word):]
	word = bytes.Trim(word, "[]:|<>()")
	if len(word) < 3 {
		return 0, b, false
	}
	level, ok := event.ParseLevel(asString(word))
	return level, bytes.TrimLeft(after, " \t"), ok
}

// leadingServer reads [3], [S3] or S3 with what separates it from the rest. The
// number is that of a server of a course project; it is shown as S3.
func leadingServer(b []byte) (node string, rest []byte, ok bool) {
	inner, rest := b, []byte(nil)
	if len(b) > 0 && b[0] == '[' {
		end := bytes.IndexByte(b, ']')
		if end < 0 {
			return "", b, false
		}
		inner, rest = b[1:end], b[end+1:]
		if len(inner) > 0 && digit(inner[0]) {
			if n := digits(inner); n == len(inner) && n <= 6 {
				return "S" + asString(inner), bytes.TrimLeft(rest, " :"), true
			}
			return "", b, false
		}
	} else if end := bytes.IndexAny(b, " :"); end > 0 {
		inner, rest = b[:end], b[end:]
	}
	if len(inner) < 2 || len(inner) > 7 || inner[0] != 'S' || digits(inner[1:]) != len(inner)-1 {
		return "", b, false
	}
	return asString(inner), bytes.TrimLeft(rest, " :"), true
}

func digits(b []byte) int {
	n := 0
	for n < len(b) && digit(b[n]) {
		n++
	}
	return n
}

// leadingLogger returns the word before a colon and a space.
func leadingLogger(b []byte) []byte {
	n := 0
	for n < len(b) && keyByte(b[n]) && n < 64 {
		n++
	}
	if n == 0 || n+1 >= len(b) || b[n] != ':' || b[n+1] != ' ' {
		return nil
	}
	return b[:n]
}

// cutPairs splits a message from the key=value pairs behind it.
func cutPairs(b []byte) (msg, pairs []byte) {
	for from := 0; ; {
		eq := bytes.IndexByte(b[from:], '=')
		if eq < 0 {
			return bytes.TrimRight(b, " :"), nil
		}
		eq += from
		start := eq
		for start > 0 && keyByte(b[start-1]) {
			start--
		}
		if start < eq && start > 0 && b[start-1] == ' ' && eq+1 < len(b) && b[eq+1] != '=' && b[eq+1] != ' ' {
			return bytes.TrimRight(b[:start], " :"), b[start:]
		}
		from = eq + 1
	}
}
