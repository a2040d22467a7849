package show

import (
	"strconv"
	"unicode/utf8"

	"raftkv/cmd/logfilter/event"
)

// appendSafe appends text from a log, without characters that could steer a
// terminal or fake a line.
func appendSafe(b []byte, s string) []byte {
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < 0x7f || c == '\t' {
			i++
			continue
		}
		r, size := rune(c), 1
		if c >= utf8.RuneSelf {
			if r, size = utf8.DecodeRuneInString(s[i:]); r > 0x9f && (r != utf8.RuneError || size > 1) && strconv.IsPrint(r) {
				i += size
				continue
			}
		}
		b = append(b, s[start:i]...)
		if r == utf8.RuneError && size == 1 {
			b = append(b, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
		} else {
			quoted := strconv.QuoteRuneToASCII(r)
			b = append(b, quoted[1:len(quoted)-1]...)
		}
		i += size
		start = i
	}
	return append(b, s[start:]...)
}

const hexDigits = "0123456789abcdef"

// appendWord appends the value of an attribute: quoted if it is not one word.
func appendWord(b []byte, v event.Value) []byte {
	if v.Kind != event.String {
		return appendSafe(b, v.Text)
	}
	for i := range len(v.Text) {
		if c := v.Text[i]; c <= ' ' || c == '"' || c == '=' {
			return append(appendSafe(append(b, '"'), v.Text), '"')
		}
	}
	if v.Text == "" {
		return append(b, '"', '"')
	}
	return appendSafe(b, v.Text)
}

// appendPlace appends group, term and index, those that there are: g1 t4 i100.
func appendPlace(b []byte, e *event.Event) []byte {
	for _, part := range [...]struct {
		letter byte
		event.Number
	}{{'g', e.Group}, {'t', e.Term}, {'i', e.Index}} {
		if part.Set {
			b = append(b, part.letter)
			b = strconv.AppendUint(b, part.Value, 10)
			b = append(b, ' ')
		}
	}
	return b
}

// appendAttrs appends the other fields, each after a space.
func appendAttrs(b []byte, e *event.Event) []byte {
	if e.Rest == nil {
		return b
	}
	e.Attrs(func(name string, v event.Value) bool {
		b = append(b, ' ')
		b = appendSafe(b, name)
		b = append(b, '=')
		b = appendWord(b, v)
		return true
	})
	return b
}

// Text is the message of an event and its other fields, as a line shows them.
func Text(e *event.Event) string {
	return string(appendAttrs(appendSafe(nil, e.Msg), e))
}
