package format

import (
	"bytes"
	"strconv"

	"raftkv/cmd/logfilter/event"
)

// nextPair reads a key=value from the beginning of b, as logfmt and hclog write
// them: a value with spaces is quoted as in Go. It returns what follows, without
// its leading spaces. A word without = is a key that has no value.
func nextPair(b []byte) (key, value []byte, quoted bool, rest []byte, ok bool) {
	b = bytes.TrimLeft(b, " \t")
	n := 0
	for n < len(b) && keyByte(b[n]) {
		n++
	}
	if n == 0 {
		return nil, nil, false, b, false
	}
	key, b = b[:n], b[n:]
	switch {
	case len(b) == 0:
		return key, nil, false, nil, true
	case b[0] == ' ' || b[0] == '\t':
		return key, nil, false, bytes.TrimLeft(b, " \t"), true
	case b[0] != '=':
		return nil, nil, false, b, false
	}
	b = b[1:]
	if len(b) > 0 && b[0] == '"' {
		end := 1
		for end < len(b) && b[end] != '"' {
			if b[end] == '\\' {
				end++
			}
			end++
		}
		if end >= len(b) {
			return nil, nil, false, b, false // torn
		}
		return key, b[1:end], true, bytes.TrimLeft(b[end+1:], " \t"), true
	}
	end := bytes.IndexAny(b, " \t")
	if end < 0 {
		return key, b, false, nil, true
	}
	return key, b[:end], false, bytes.TrimLeft(b[end:], " \t"), true
}

func keyByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || digit(c) || c == '_' || c == '-' || c == '.' || c == '@' || c == '/'
}

// pairText decodes a value.
func pairText(value []byte, quoted bool) string {
	if !quoted || bytes.IndexByte(value, '\\') < 0 {
		return asString(value)
	}
	if s, err := strconv.Unquote(`"` + string(value) + `"`); err == nil {
		return s
	}
	return asString(value)
}

func pairValue(value []byte, quoted bool) event.Value {
	if !quoted && len(value) > 0 {
		if _, err := strconv.ParseFloat(asString(value), 64); err == nil && (digit(value[0]) || value[0] == '-') {
			return event.Value{Kind: event.Num, Text: asString(value)}
		}
	}
	return event.Value{Kind: event.String, Text: pairText(value, quoted)}
}

// takePair stores a pair in its field of e and reports whether it fits.
func takePair(f field, value []byte, quoted bool, e *event.Event) bool {
	switch f {
	case timeField:
		ns, ok := parseTime([]byte(pairText(value, quoted)))
		if ok {
			e.Time, e.HasTime = ns, true
		}
		return ok
	case levelField:
		return takeLevel(value, true, e)
	case groupField, termField, indexField:
		return takeNumber(f, value, e)
	case nodeField:
		if bytes.IndexByte(value, ' ') >= 0 {
			return false // raft's node="Node at 127.0.0.1:1 [Candidate]" is no name
		}
	}
	takeText(f, pairText(value, quoted), e)
	return true
}

// eachPair calls yield with the pairs of b that are no fields of Event.
func (n *names) eachPair(b []byte, yield func(string, event.Value) bool) {
	for len(b) > 0 {
		key, value, quoted, rest, ok := nextPair(b)
		if !ok {
			return
		}
		b = rest
		if f := n.field[string(key)]; f != noField {
			var scratch event.Event
			if takePair(f, value, quoted, &scratch) {
				continue
			}
		}
		if !yield(asString(key), pairValue(value, quoted)) {
			return
		}
	}
}
