package resp

import "bytes"

// ParseInline parses a command that a person typed: words up to the end of the
// line, with Redis's quoting. It returns the words, appended to args[:0], and
// the number of bytes taken. Errors are ErrIncomplete or a ProtocolError.
func ParseInline(buf []byte, args [][]byte) ([][]byte, int, error) {
	args = args[:0]
	end := bytes.IndexByte(buf, '\n')
	if end < 0 {
		if len(buf) > MaxInline {
			return args, 0, ProtocolError("too big inline request")
		}
		return args, 0, ErrIncomplete
	}
	line := bytes.TrimSuffix(buf[:end], []byte("\r"))
	for {
		line = bytes.TrimLeft(line, " \t\r\n\v\f\x00")
		if len(line) == 0 {
			return args, end + 1, nil
		}
		word, rest, ok := inlineWord(line)
		if !ok {
			return args, 0, ProtocolError("unbalanced quotes in request")
		}
		args, line = append(args, word), rest
	}
}

// inlineWord splits the first word off line. Quotes may begin inside of a word
// but must be followed by a space, as in Redis.
func inlineWord(line []byte) (word, rest []byte, ok bool) {
	word = []byte{}
	for i := 0; i < len(line); i++ {
		switch c := line[i]; c {
		case ' ', '\t', '\r', '\n', 0: // \v and \f only stand between words
			return word, line[i:], true
		case '"', '\'':
			quoted, n, ok := inlineQuoted(line[i+1:], c)
			if !ok {
				return nil, nil, false
			}
			rest = line[i+1+n+1:]
			if len(rest) > 0 && !isSpace(rest[0]) {
				return nil, nil, false
			}
			return append(word, quoted...), rest, true
		default:
			word = append(word, c)
		}
	}
	return word, nil, true
}

// inlineQuoted reads up to the closing quote and returns how many bytes stand
// before it.
func inlineQuoted(s []byte, quote byte) (text []byte, n int, ok bool) {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == quote:
			return text, i, true
		case c == '\\' && quote == '\'' && i+1 < len(s) && s[i+1] == '\'':
			i++
			text = append(text, '\'')
		case c == '\\' && quote == '"' && i+3 < len(s) && s[i+1] == 'x' && isHex(s[i+2]) && isHex(s[i+3]):
			text = append(text, unhex(s[i+2])<<4|unhex(s[i+3]))
			i += 3
		case c == '\\' && quote == '"' && i+1 < len(s):
			i++
			text = append(text, unescape(s[i]))
		default:
			text = append(text, c)
		}
	}
	return nil, 0, false
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' || c == 0 }

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c >= 'a':
		return c - 'a' + 10
	}
	return c - 'A' + 10
}

func unescape(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'b':
		return '\b'
	case 'a':
		return '\a'
	}
	return c
}
