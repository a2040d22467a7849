package resp

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestParseInline(t *testing.T) {
	for in, want := range map[string][]string{
		"PING\r\n":             {"PING"},
		"PING\n":               {"PING"},
		"\n":                   {},
		"\r\n":                 {},
		"  \t \r\n":            {},
		"  set \t a   1  \r\n": {"set", "a", "1"},
		"set a \"\"\r\n":       {"set", "a", ""},
		"set a ''\r\n":         {"set", "a", ""},
		`set a "b c"` + "\n":   {"set", "a", "b c"},
		`set a "\x41\xfF\x0g\n\r\t\b\a\"\\\q"` + "\n": {"set", "a", "A\xffx0g\n\r\t\b\a\"\\q"},
		`set a 'b\'c\x41\n"'` + "\n":                  {"set", "a", `b'c\x41\n"`},
		`set a b"c d"` + "\n":                         {"set", "a", "bc d"},
		`set a \"` + "\nrest":                         nil,
		"set a \xff\xfe\n":                            {"set", "a", "\xff\xfe"},
		"a\vb \v\fc\n":                                {"a\vb", "c"},
		"\"a\"\vb\n":                                  {"a", "b"},
		"set a 1\rb\n":                                {"set", "a", "1", "b"},
	} {
		got, n, err := ParseInline([]byte(in), nil)
		if want == nil {
			if !sameError(err, ProtocolError("unbalanced quotes in request")) {
				t.Errorf("%q: %q, %v", in, got, err)
			}
			continue
		}
		if err != nil || n != strings.IndexByte(in, '\n')+1 || !slices.Equal(asStrings(got), want) {
			t.Errorf("%q: %q, %d, %v; want %q", in, got, n, err, want)
		}
		sameInPieces(t, ParseInline, []byte(in))
	}
}

func TestParseInlineErrors(t *testing.T) {
	for in, want := range map[string]error{
		"":                               ErrIncomplete,
		"PING":                           ErrIncomplete,
		"PING\r":                         ErrIncomplete,
		strings.Repeat("x", MaxInline):   ErrIncomplete,
		strings.Repeat("x", MaxInline+1): ProtocolError("too big inline request"),
		"set a \"b\n":                    ProtocolError("unbalanced quotes in request"),
		"set a 'b\n":                     ProtocolError("unbalanced quotes in request"),
		"set a \"b\"c\n":                 ProtocolError("unbalanced quotes in request"),
		"set a 'b'c\n":                   ProtocolError("unbalanced quotes in request"),
		"set a 'b''c'\n":                 ProtocolError("unbalanced quotes in request"),
		"set a \"b\\\"\n":                ProtocolError("unbalanced quotes in request"),
		"set a 'b\\'\n":                  ProtocolError("unbalanced quotes in request"),
		"\"\n":                           ProtocolError("unbalanced quotes in request"),
	} {
		if args, n, err := ParseInline([]byte(in), nil); !sameError(err, want) || n != 0 {
			t.Errorf("%.40q: %q, %d, %v; want %v", in, args, n, err, want)
		}
	}
	// Redis bounds what it keeps of a line that does not end, not the line.
	long := strings.Repeat("x", 2*MaxInline)
	if args, _, err := ParseInline([]byte(long+"\n"), nil); err != nil || len(args) != 1 || string(args[0]) != long {
		t.Errorf("a long line: %d words, %v", len(args), err)
	}
}

// splitArgs is Redis's sdssplitargs as a plain state machine over a line without
// NUL, to compare ParseInline with.
func splitArgs(line []byte) (words []string, ok bool) {
	at := func(i int) byte {
		if i < len(line) {
			return line[i]
		}
		return 0
	}
	space := func(c byte) bool { return bytes.IndexByte([]byte(" \t\n\v\f\r"), c) >= 0 }
	escapes := map[byte]byte{'n': '\n', 'r': '\r', 't': '\t', 'b': '\b', 'a': '\a'}
	hex := "0123456789abcdef"
	digit := func(c byte) int { return strings.IndexByte(hex, bytes.ToLower([]byte{c})[0]) }
	for i := 0; ; {
		for i < len(line) && space(line[i]) {
			i++
		}
		if i >= len(line) {
			return words, true
		}
		var word []byte
		quote := byte(0)
		for done := false; !done; i++ {
			c := at(i)
			switch {
			case quote != 0 && i >= len(line):
				return nil, false
			case quote == '"' && c == '\\' && at(i+1) == 'x' && i+3 < len(line) && digit(at(i+2)) >= 0 && digit(at(i+3)) >= 0:
				word = append(word, byte(digit(at(i+2))*16+digit(at(i+3))))
				i += 3
			case quote == '"' && c == '\\' && i+1 < len(line):
				i++
				c = line[i]
				if e, found := escapes[c]; found {
					c = e
				}
				word = append(word, c)
			case quote == '\'' && c == '\\' && at(i+1) == '\'':
				i++
				word = append(word, '\'')
			case quote != 0 && c == quote:
				if i+1 < len(line) && !space(at(i+1)) {
					return nil, false
				}
				done = true
			case quote != 0:
				word = append(word, c)
			case i >= len(line) || c == ' ' || c == '\n' || c == '\r' || c == '\t':
				done = true
			case c == '"' || c == '\'':
				quote = c
			default:
				word = append(word, c)
			}
		}
		words = append(words, string(word))
	}
}

func FuzzParseInline(f *testing.F) {
	for _, seed := range []string{
		"set a 1\r\nget a\n", "set a \"b c\\x41\\n\" 'd\\'e'\n", "a\"b\"c\n", "\"\n", "'", " \v\f\"a\"\v\n\n\n", "a\\\"\n", "\"\\x4\"\n", "\"\\",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1000 {
			t.Skip("byte by byte takes quadratic time")
		}
		sameInPieces(t, ParseInline, data)
		line, _, whole := bytes.Cut(data, []byte("\n"))
		if !whole || bytes.IndexByte(line, 0) >= 0 {
			return
		}
		got, n, err := ParseInline(data, nil)
		want, ok := splitArgs(bytes.TrimSuffix(line, []byte("\r")))
		if ok != (err == nil) || ok && (n != len(line)+1 || !slices.Equal(asStrings(got), want)) {
			t.Fatalf("%q: %q, %d, %v; want %q, %v", data, got, n, err, want, ok)
		}
		if err != nil && errors.Is(err, ErrIncomplete) {
			t.Fatalf("%q: a whole line is incomplete", data)
		}
	})
}
