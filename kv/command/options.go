package command

import (
	"math"
	"strconv"

	"raftkv/kv"
)

// Redis's texts.
const (
	errSyntax     kv.ReplyError = "ERR syntax error"
	errNotInteger kv.ReplyError = "ERR value is not an integer or out of range"
	errNotFloat   kv.ReplyError = "ERR value is not a valid float"
	errNotFinite  kv.ReplyError = "ERR increment would produce NaN or Infinity"
	errOverflow   kv.ReplyError = "ERR increment or decrement would overflow"
	errNoSuchKey  kv.ReplyError = "ERR no such key"
	errTooLong    kv.ReplyError = "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
)

func errExpireTime(command string) kv.ReplyError {
	return kv.ReplyError("ERR invalid expire time in '" + command + "' command")
}

// parseInt reads an integer as strictly as Redis: no sign +, no spaces, no
// leading zeros.
func parseInt(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 20 {
		return 0, false
	}
	digits := b
	if b[0] == '-' {
		digits = b[1:]
	}
	if len(digits) == 0 || digits[0] == '0' && len(b) > 1 {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	return n, err == nil
}

// isOption compares an argument with an option's name in lower case.
func isOption(arg []byte, name string) bool {
	if len(arg) != len(name) {
		return false
	}
	for i, c := range arg {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != name[i] {
			return false
		}
	}
	return true
}

// expiryUnit says how an expiry is given.
type expiryUnit struct {
	seconds  bool
	absolute bool
}

var expiryOptions = []struct {
	name string
	unit expiryUnit
}{
	{"ex", expiryUnit{seconds: true}},
	{"px", expiryUnit{}},
	{"exat", expiryUnit{seconds: true, absolute: true}},
	{"pxat", expiryUnit{absolute: true}},
}

// expiryOption tells whether arg is EX, PX, EXAT or PXAT.
func expiryOption(arg []byte) (expiryUnit, bool) {
	for _, o := range expiryOptions {
		if isOption(arg, o.name) {
			return o.unit, true
		}
	}
	return expiryUnit{}, false
}

// deadline turns an argument into ms since the Unix epoch. Times that overflow
// are refused; past ones are not, unless positive is set, as SET wants it.
func (c *Ctx) deadline(arg []byte, unit expiryUnit, positive bool, command string) (int64, kv.ReplyError) {
	n, ok := parseInt(arg)
	if !ok {
		return 0, errNotInteger
	}
	if positive && n <= 0 {
		return 0, errExpireTime(command)
	}
	if unit.seconds {
		if n > math.MaxInt64/1000 || n < math.MinInt64/1000 {
			return 0, errExpireTime(command)
		}
		n *= 1000
	}
	if !unit.absolute {
		if n > math.MaxInt64-c.Store.Clock() {
			return 0, errExpireTime(command)
		}
		n += c.Store.Clock()
	}
	return n, ""
}

// past keeps a deadline before 1970 from meaning "never".
func past(at int64) int64 {
	if at <= 0 {
		return 1
	}
	return at
}
