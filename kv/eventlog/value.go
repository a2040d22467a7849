package eventlog

import (
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// maxString bounds a string in a line, in bytes: the queue counts lines, so a
// line must not hold somebody's 1 MiB value.
const maxString = 8 << 10

// scalar turns any value into one that a line can hold: a bool, a number, a
// string, or nil (as KindAny).
func scalar(v slog.Value) slog.Value {
	switch v.Kind() {
	case slog.KindBool, slog.KindInt64, slog.KindUint64, slog.KindString:
		return v
	case slog.KindFloat64:
		if f := v.Float64(); math.IsNaN(f) || math.IsInf(f, 0) {
			return slog.StringValue(strconv.FormatFloat(f, 'g', -1, 64)) // JSON has no such number
		}
		return v
	case slog.KindDuration:
		return slog.StringValue(v.Duration().String())
	case slog.KindTime:
		return slog.StringValue(v.Time().UTC().Format(time.RFC3339Nano))
	}
	return scalarOf(v.Any())
}

// scalarOf formats x at once, in the caller: x may change after the call. A
// panic in somebody's String or Error method becomes the value, as in log/slog,
// because a log line must not stop a node.
func scalarOf(x any) (v slog.Value) {
	defer func() {
		if r := recover(); r != nil {
			v = slog.StringValue(fmt.Sprintf("!PANIC: %v", r))
			if rv := reflect.ValueOf(x); rv.Kind() == reflect.Pointer && rv.IsNil() {
				v = slog.StringValue("<nil>")
			}
		}
	}()
	rv := reflect.ValueOf(x)
	switch rv.Kind() {
	case reflect.Invalid:
		return slog.AnyValue(nil)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		// A named integer with a String method (a state, a kind) shows its name.
		if _, named := x.(fmt.Stringer); !named {
			if rv.CanInt() {
				return slog.Int64Value(rv.Int())
			}
			return slog.Uint64Value(rv.Uint())
		}
	}
	switch x := x.(type) {
	case error:
		return slog.StringValue(x.Error())
	case fmt.Stringer:
		return slog.StringValue(x.String())
	}
	switch rv.Kind() {
	case reflect.Bool:
		return slog.BoolValue(rv.Bool())
	case reflect.String:
		return slog.StringValue(rv.String())
	case reflect.Float32, reflect.Float64:
		return scalar(slog.Float64Value(rv.Float()))
	case reflect.Slice:
		if rv.Type().Elem().Kind() == reflect.Uint8 {
			b := rv.Bytes()
			if len(b) > maxString {
				return slog.StringValue(cut(string(b[:maxString]), len(b)))
			}
			return slog.StringValue(string(b))
		}
	}
	return slog.StringValue(fmt.Sprintf("%+v", x))
}

// cut marks s as the beginning of a string of total bytes.
func cut(s string, total int) string {
	for range utf8.UTFMax - 1 { // the cut may have left a part of a rune
		if r, size := utf8.DecodeLastRuneInString(s); r != utf8.RuneError || size != 1 {
			break
		}
		s = s[:len(s)-1]
	}
	return s + "...(" + strconv.Itoa(total-len(s)) + " bytes more)"
}

func bounded(s string) string {
	// Slack, so that a string that already carries a cut's mark is left alone.
	if len(s) <= maxString+64 {
		return s
	}
	return cut(s[:maxString], len(s))
}

func appendJSONScalar(b []byte, v slog.Value) []byte {
	if v.Kind() == slog.KindString {
		return appendJSONString(b, v.String())
	}
	return appendPlain(b, v)
}

func appendTextScalar(b []byte, v slog.Value) []byte {
	if v.Kind() == slog.KindString {
		return appendTextString(b, v.String())
	}
	return appendPlain(b, v)
}

// appendPlain appends a scalar that is not a string; it reads the same in both
// forms.
func appendPlain(b []byte, v slog.Value) []byte {
	switch v.Kind() {
	case slog.KindBool:
		return strconv.AppendBool(b, v.Bool())
	case slog.KindInt64:
		return strconv.AppendInt(b, v.Int64(), 10)
	case slog.KindUint64:
		return strconv.AppendUint(b, v.Uint64(), 10)
	case slog.KindFloat64:
		return strconv.AppendFloat(b, v.Float64(), 'g', -1, 64)
	}
	return append(b, "null"...)
}

const hexDigits = "0123456789abcdef"

// appendJSONString appends s quoted. Control characters are escaped, those of a
// terminal too (0x7f to 0x9f), because people cat log files.
func appendJSONString(b []byte, s string) []byte {
	s = bounded(s)
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < 0x7f && c != '"' && c != '\\' {
			i++
			continue
		}
		r, size := rune(c), 1
		if c >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
			if r > 0x9f && (r != utf8.RuneError || size > 1) {
				i += size
				continue
			}
		}
		b = append(b, s[start:i]...)
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, '\\', 'n')
		case r == '\r':
			b = append(b, '\\', 'r')
		case r == '\t':
			b = append(b, '\\', 't')
		case r == utf8.RuneError: // not UTF-8: the text \xNN
			b = append(b, '\\', '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&15])
		}
		i += size
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

// appendTextString appends s as one word of the text form, quoted where needed.
func appendTextString(b []byte, s string) []byte {
	s = bounded(s)
	if s == "" || strings.ContainsAny(s, ` ="`) || !printable(s) {
		return strconv.AppendQuote(b, s)
	}
	return append(b, s...)
}

// appendTextMessage appends a message, which may have spaces, but no characters
// that could fake a line or steer a terminal.
func appendTextMessage(b []byte, s string) []byte {
	s = bounded(s)
	if printable(s) {
		return append(b, s...)
	}
	return strconv.AppendQuote(b, s)
}

func printable(s string) bool {
	for _, r := range s {
		if !strconv.IsPrint(r) || r == utf8.RuneError {
			return false
		}
	}
	return true
}
