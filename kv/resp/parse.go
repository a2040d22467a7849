// Package resp reads and writes the Redis protocol, versions 2 and 3: commands
// as servers get them, replies as clients get them. It knows no command.
package resp

import "errors"

// Limits of the request parser, as in Redis.
const (
	MaxArgs   = 1024 * 1024
	MaxInline = 64 * 1024
)

// ProtocolError is malformed input. Its text is what Redis answers after
// "ERR Protocol error: "; the connection must be closed after it.
type ProtocolError string

func (e ProtocolError) Error() string { return "ERR Protocol error: " + string(e) }

// ErrIncomplete means that buf ends before the command does.
var ErrIncomplete = errors.New("incomplete command")

// ParseCommand parses the RESP array of bulk strings at the start of buf. It
// returns the arguments, appended to args[:0], and the number of bytes they
// took. Arguments point into buf. An empty array yields no arguments and no
// error, as in Redis. maxBulk bounds one argument in bytes.
//
// Errors are ErrIncomplete or a ProtocolError.
func ParseCommand(buf []byte, args [][]byte, maxBulk int) ([][]byte, int, error) {
	args = args[:0]
	if len(buf) == 0 {
		return args, 0, ErrIncomplete
	}
	if buf[0] != '*' {
		return args, 0, unexpected('*', buf[0])
	}
	line, pos, err := header(buf, 0, "too big mbulk count string")
	if err != nil {
		return args, 0, err
	}
	count, ok := parseLength(line[1:])
	if !ok || count > MaxArgs {
		return args, 0, ProtocolError("invalid multibulk length")
	}
	for range count {
		line, start, err := header(buf, pos, "too big bulk count string")
		if err != nil {
			return args, 0, err
		}
		if buf[pos] != '$' {
			return args, 0, unexpected('$', buf[pos])
		}
		size, ok := parseLength(line[1:])
		if !ok || size < 0 || size > maxBulk {
			return args, 0, ProtocolError("invalid bulk length")
		}
		if len(buf)-start < size+2 {
			return args, 0, ErrIncomplete
		}
		// Like Redis, the two bytes behind a bulk are skipped unread.
		args = append(args, buf[start:start+size:start+size])
		pos = start + size + 2
	}
	return args, pos, nil
}

func unexpected(want, got byte) ProtocolError {
	return ProtocolError("expected '" + string([]byte{want}) + "', got '" + string([]byte{got}) + "'")
}

// header returns the line at pos without its end, and the position behind it.
// Like Redis it looks for \r only, and takes the byte behind it for \n.
func header(buf []byte, pos int, tooLong string) (line []byte, next int, err error) {
	for i := pos; i < len(buf); i++ { // faster than bytes.IndexByte for a few digits
		if buf[i] != '\r' {
			continue
		}
		if i+1 == len(buf) {
			return nil, 0, ErrIncomplete
		}
		return buf[pos:i], i + 2, nil
	}
	if len(buf)-pos > MaxInline {
		return nil, 0, ProtocolError(tooLong)
	}
	return nil, 0, ErrIncomplete
}

// parseLength reads a decimal number as strictly as Redis: no sign +, no
// leading zeros.
func parseLength(digits []byte) (n int, ok bool) {
	negative := len(digits) > 0 && digits[0] == '-'
	if negative {
		digits = digits[1:]
	}
	if len(digits) == 0 || len(digits) > maxLengthDigits || digits[0] == '0' && (negative || len(digits) > 1) {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	if negative {
		n = -n
	}
	return n, true
}

// maxLengthDigits keeps parseLength from overflowing; no length of use comes
// near.
const maxLengthDigits = 18
