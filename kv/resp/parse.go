// Package resp reads and writes the Redis protocol, versions 2 and 3: commands
// as servers get them, replies as clients get them. It knows no command.
package resp

import (
	"bytes"
	"errors"
	"fmt"
)

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
		return args, 0, ProtocolError(fmt.Sprintf("expected '*', got '%c'", buf[0]))
	}
	count, pos, err := parseLength(buf, 1, "invalid multibulk length", "too big mbulk count string")
	if err != nil {
		return args, 0, err
	}
	if count > MaxArgs {
		return args, 0, ProtocolError("invalid multibulk length")
	}
	for range count {
		if pos >= len(buf) {
			return args, 0, ErrIncomplete
		}
		if buf[pos] != '$' {
			return args, 0, ProtocolError(fmt.Sprintf("expected '$', got '%c'", buf[pos]))
		}
		size, start, err := parseLength(buf, pos+1, "invalid bulk length", "too big bulk count string")
		if err != nil {
			return args, 0, err
		}
		if size < 0 || size > maxBulk {
			return args, 0, ProtocolError("invalid bulk length")
		}
		if len(buf) < start+size+2 {
			return args, 0, ErrIncomplete
		}
		// Like Redis, the two bytes behind a bulk are skipped unread.
		args = append(args, buf[start:start+size:start+size])
		pos = start + size + 2
	}
	return args, pos, nil
}

// parseLength reads a decimal line at pos and returns its value and the
// position behind its line end.
func parseLength(buf []byte, pos int, invalid, tooLong string) (n, next int, err error) {
	negative := pos < len(buf) && buf[pos] == '-'
	i := pos
	if negative {
		i++
	}
	digits := i
	for ; i < len(buf) && buf[i] >= '0' && buf[i] <= '9'; i++ {
		if i-digits > 18 {
			return 0, 0, ProtocolError(invalid)
		}
		n = n*10 + int(buf[i]-'0')
	}
	if i+1 < len(buf) {
		if i == digits || buf[i] != '\r' {
			return 0, 0, ProtocolError(invalid)
		}
		if negative {
			n = -n
		}
		return n, i + 2, nil
	}
	// No whole line yet: either more will come, or it can never become one.
	if i < len(buf) && (buf[i] != '\r' || i == digits) {
		return 0, 0, ProtocolError(invalid)
	}
	if len(buf)-pos > MaxInline && bytes.IndexByte(buf[pos:], '\r') < 0 {
		return 0, 0, ProtocolError(tooLong)
	}
	return 0, 0, ErrIncomplete
}
