package resp

import (
	"strconv"

	"raftkv/kv"
)

// AppendCommand appends the RESP array of args to dst.
func AppendCommand[T ~[]byte | ~string](dst []byte, args ...T) []byte {
	dst = append(dst, '*')
	dst = strconv.AppendInt(dst, int64(len(args)), 10)
	dst = append(dst, '\r', '\n')
	for _, a := range args {
		dst = append(dst, '$')
		dst = strconv.AppendInt(dst, int64(len(a)), 10)
		dst = append(dst, '\r', '\n')
		dst = append(dst, a...)
		dst = append(dst, '\r', '\n')
	}
	return dst
}

// AppendReply appends r to dst in the given protocol version, 2 or 3.
func AppendReply(dst []byte, r *kv.Reply, version int) []byte {
	switch r.Kind {
	case kv.Nil:
		if version == 2 {
			return append(dst, "$-1\r\n"...)
		}
		return append(dst, "_\r\n"...)
	case kv.NilArray:
		if version == 2 {
			return append(dst, "*-1\r\n"...)
		}
		return append(dst, "_\r\n"...)
	case kv.Simple:
		return appendLine(dst, '+', r.Str)
	case kv.Error:
		return appendLine(dst, '-', r.Str)
	case kv.Int:
		return appendInt(dst, ':', r.Int)
	case kv.Bulk:
		return appendBulk(dst, r.Str)
	case kv.Double:
		if version == 2 {
			return appendBulk(dst, r.Str)
		}
		return appendLine(dst, ',', r.Str)
	case kv.Bool:
		if version == 2 {
			return appendInt(dst, ':', r.Int)
		}
		if r.Int != 0 {
			return append(dst, "#t\r\n"...)
		}
		return append(dst, "#f\r\n"...)
	case kv.Verbatim:
		if version == 2 {
			return appendBulk(dst, r.Str)
		}
		dst = appendInt(dst, '=', int64(len(r.Str)+4))
		dst = append(dst, "txt:"...)
		dst = append(dst, r.Str...)
		return append(dst, '\r', '\n')
	case kv.Array:
		dst = appendInt(dst, '*', int64(len(r.Elems)))
	case kv.Set:
		if version == 2 {
			dst = appendInt(dst, '*', int64(len(r.Elems)))
		} else {
			dst = appendInt(dst, '~', int64(len(r.Elems)))
		}
	case kv.Map:
		if version == 2 {
			dst = appendInt(dst, '*', int64(len(r.Elems)))
		} else {
			dst = appendInt(dst, '%', int64(len(r.Elems)/2))
		}
	}
	for i := range r.Elems {
		dst = AppendReply(dst, &r.Elems[i], version)
	}
	return dst
}

func appendInt(dst []byte, sign byte, n int64) []byte {
	dst = append(dst, sign)
	dst = strconv.AppendInt(dst, n, 10)
	return append(dst, '\r', '\n')
}

func appendBulk(dst, b []byte) []byte {
	dst = appendInt(dst, '$', int64(len(b)))
	dst = append(dst, b...)
	return append(dst, '\r', '\n')
}

// appendLine keeps a text on its line: a line end inside would let data forge
// protocol.
func appendLine(dst []byte, sign byte, text []byte) []byte {
	dst = append(dst, sign)
	for _, c := range text {
		if c == '\r' || c == '\n' {
			c = ' '
		}
		dst = append(dst, c)
	}
	return append(dst, '\r', '\n')
}
