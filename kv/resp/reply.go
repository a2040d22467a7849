package resp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"

	"raftkv/kv"
)

// Limits of the reply reader: what a sound server sends stays far below.
const (
	maxReplyBulk  = 512 << 20
	maxReplyDepth = 16
	maxReplyLine  = 64 << 10
)

// ReadReply reads one reply of either protocol version. It fails with the
// reader's error, or with a ProtocolError.
func ReadReply(r *bufio.Reader) (kv.Reply, error) { return readReply(r, 0) }

func readReply(r *bufio.Reader, depth int) (kv.Reply, error) {
	if depth > maxReplyDepth {
		return kv.Reply{}, ProtocolError("reply nested too deeply")
	}
	line, err := readLine(r)
	if err != nil {
		return kv.Reply{}, err
	}
	kind, text := line[0], line[1:]
	switch kind {
	case '+':
		return kv.Reply{Kind: kv.Simple, Str: text}, nil
	case '-':
		return kv.Reply{Kind: kv.Error, Str: text}, nil
	case ',':
		return kv.Reply{Kind: kv.Double, Str: text}, nil
	case '(':
		return kv.Reply{Kind: kv.Bulk, Str: text}, nil
	case '_':
		return kv.Reply{}, nil
	case '#':
		r := kv.BoolInt(string(text) == "t")
		r.Kind = kv.Bool
		return r, nil
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return kv.Reply{}, ProtocolError(fmt.Sprintf("bad number in reply line %.40q", line))
	}
	switch kind {
	case ':':
		return kv.Reply{Kind: kv.Int, Int: n}, nil
	case '$', '=', '!':
		return readBulk(r, kind, n)
	case '*', '~', '>', '%':
		return readElems(r, kind, n, depth)
	}
	return kv.Reply{}, ProtocolError(fmt.Sprintf("unknown reply type %q", kind))
}

// readLine returns a line without its end, at least one byte.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for full := true; full; {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		full = errors.Is(err, bufio.ErrBufferFull)
		if err != nil && !full {
			return nil, err
		}
		if len(line) > maxReplyLine {
			return nil, ProtocolError("too long line in reply")
		}
	}
	if len(line) < 3 || line[len(line)-2] != '\r' {
		return nil, ProtocolError(fmt.Sprintf("bad reply line %.40q", line))
	}
	return line[:len(line)-2], nil
}

func readBulk(r *bufio.Reader, kind byte, n int64) (kv.Reply, error) {
	if n == -1 {
		return kv.Reply{}, nil
	}
	if n < 0 || n > maxReplyBulk {
		return kv.Reply{}, ProtocolError("bad bulk length in reply")
	}
	// Memory follows what arrives, not what was announced.
	b, err := readN(r, int(n)+2)
	if err != nil {
		return kv.Reply{}, err
	}
	b = b[:n:n]
	switch {
	case kind == '!':
		return kv.Reply{Kind: kv.Error, Str: b}, nil
	case kind == '=' && len(b) >= 4:
		return kv.Reply{Kind: kv.Verbatim, Str: b[4:]}, nil
	}
	return kv.Reply{Kind: kv.Bulk, Str: b}, nil
}

func readN(r *bufio.Reader, n int) ([]byte, error) {
	const step = 1 << 20
	b := make([]byte, 0, min(n, step))
	for len(b) < n {
		from := len(b)
		b = append(b, make([]byte, min(n-from, step))...)
		if _, err := io.ReadFull(r, b[from:]); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func readElems(r *bufio.Reader, kind byte, n int64, depth int) (kv.Reply, error) {
	if n == -1 {
		return kv.Reply{Kind: kv.NilArray}, nil
	}
	if n < 0 || n > 2*MaxArgs {
		return kv.Reply{}, ProtocolError("bad count of elements in reply")
	}
	out := kv.Reply{Kind: kv.Array}
	switch kind {
	case '~':
		out.Kind = kv.Set
	case '%':
		out.Kind = kv.Map
		n *= 2
	}
	for range n {
		e, err := readReply(r, depth+1)
		if err != nil {
			return kv.Reply{}, err
		}
		out.Elems = append(out.Elems, e)
	}
	return out, nil
}
