package format

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"

	"raftkv/cmd/logfilter/event"
)

// members walks over the members of a JSON object without allocating: the log
// filter's inner loop. It accepts all valid objects, and some that are not quite
// (a control character in a string, an odd number), but never one that is torn.
type members struct {
	b   []byte
	pos int
}

// verdict is what members found next.
type verdict uint8

const (
	member  verdict = iota // a key and a value
	theEnd                 // the object is whole, and nothing follows
	invalid                // not an object
)

// begin enters the object.
func (m *members) begin(line []byte) bool {
	m.b, m.pos = line, 0
	m.space()
	if m.pos >= len(m.b) || m.b[m.pos] != '{' {
		return false
	}
	m.pos++
	return true
}

// next returns a member: the key between its quotes and the value with its, both
// not decoded.
func (m *members) next(first bool) (key, value []byte, v verdict) {
	m.space()
	if m.pos >= len(m.b) {
		return nil, nil, invalid
	}
	switch c := m.b[m.pos]; {
	case c == '}':
		m.pos++
		m.space()
		if m.pos != len(m.b) {
			return nil, nil, invalid
		}
		return nil, nil, theEnd
	case first && c == '"':
	case !first && c == ',':
		m.pos++
		m.space()
		if m.pos >= len(m.b) || m.b[m.pos] != '"' {
			return nil, nil, invalid
		}
	default:
		return nil, nil, invalid
	}
	start := m.pos + 1
	if !m.text() {
		return nil, nil, invalid
	}
	key = m.b[start : m.pos-1]
	m.space()
	if m.pos >= len(m.b) || m.b[m.pos] != ':' {
		return nil, nil, invalid
	}
	m.pos++
	m.space()
	start = m.pos
	if !m.value() {
		return nil, nil, invalid
	}
	return key, m.b[start:m.pos], member
}

func (m *members) space() {
	for m.pos < len(m.b) {
		switch m.b[m.pos] {
		case ' ', '\t', '\r', '\n':
			m.pos++
		default:
			return
		}
	}
}

// text steps over a string that begins here.
func (m *members) text() bool {
	for i := m.pos + 1; i < len(m.b); i++ {
		switch m.b[i] {
		case '"':
			m.pos = i + 1
			return true
		case '\\':
			i++
		}
	}
	return false
}

// value steps over any value.
func (m *members) value() bool {
	if m.pos >= len(m.b) {
		return false
	}
	switch m.b[m.pos] {
	case '"':
		return m.text()
	case '{', '[':
		return m.composite()
	}
	start := m.pos
	for m.pos < len(m.b) {
		switch m.b[m.pos] {
		case ',', '}', ']', ' ', '\t', '\r', '\n', '"', ':', '{', '[':
			return m.pos > start && scalarWord(m.b[start:m.pos])
		}
		m.pos++
	}
	return false // the object's } is missing
}

// composite steps over an array or an object. Its inside is checked no further
// than for brackets that match, with no recursion that a line could exhaust.
func (m *members) composite() bool {
	var open [64]byte
	depth := 0
	for m.pos < len(m.b) {
		switch c := m.b[m.pos]; c {
		case '"':
			if !m.text() {
				return false
			}
			continue
		case '{', '[':
			if depth == len(open) {
				return false
			}
			open[depth] = c + 2 // the closing one, in ASCII
			depth++
		case '}', ']':
			if open[depth-1] != c {
				return false
			}
			depth--
			if depth == 0 {
				m.pos++
				return true
			}
		}
		m.pos++
	}
	return false
}

func scalarWord(b []byte) bool {
	switch c := b[0]; {
	case c == '-' || digit(c):
		return true
	default:
		return string(b) == "true" || string(b) == "false" || string(b) == "null"
	}
}

// decodeText returns what stands between quotes. Without escapes it is b itself.
func decodeText(b []byte) string {
	if bytes.IndexByte(b, '\\') < 0 {
		return asString(b)
	}
	quoted := make([]byte, 0, len(b)+2)
	quoted = append(quoted, '"')
	quoted = append(quoted, b...)
	quoted = append(quoted, '"')
	var s string
	if json.Unmarshal(quoted, &s) != nil || !utf8.ValidString(s) {
		return asString(b) // better shown as it stands than not at all
	}
	return s
}

// decodeValue returns a value as it was cut out by members.
func decodeValue(raw []byte) event.Value {
	switch c := raw[0]; {
	case c == '"':
		return event.Value{Kind: event.String, Text: decodeText(raw[1 : len(raw)-1])}
	case c == '-' || digit(c):
		return event.Value{Kind: event.Num, Text: asString(raw)}
	}
	return event.Value{Kind: event.Other, Text: asString(raw)}
}

// parseUint reads digits, and nothing else.
func parseUint(b []byte) (n uint64, ok bool) {
	if len(b) == 0 || len(b) > 20 {
		return 0, false
	}
	for _, c := range b {
		if !digit(c) || n > (1<<64-1-9)/10 {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}
