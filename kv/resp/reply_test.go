package resp

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"raftkv/kv"
)

func read(in string) (kv.Reply, error) { return ReadReply(bufio.NewReader(strings.NewReader(in))) }

func TestReadReply(t *testing.T) {
	long := strings.Repeat("x", 10_000) // more than a bufio.Reader holds
	for in, want := range map[string]kv.Reply{
		"+OK\r\n":                    kv.OK,
		"+\r\n":                      kv.SimpleReply(""),
		"-ERR x\r\n":                 kv.ErrorReply("ERR x"),
		"-" + long + "\r\n":          kv.ErrorReply(long),
		"!5\r\nERR x\r\n":            kv.ErrorReply("ERR x"),
		":-9223372036854775808\r\n":  kv.IntReply(-1 << 63),
		"$0\r\n\r\n":                 kv.BulkReply([]byte{}),
		"$5\r\na\r\nbc\r\n":          kv.BulkString("a\r\nbc"),
		"$10000\r\n" + long + "\r\n": kv.BulkString(long),
		"$-1\r\n":                    {},
		"_\r\n":                      {},
		"*-1\r\n":                    {Kind: kv.NilArray},
		"#t\r\n":                     {Kind: kv.Bool, Int: 1},
		"#f\r\n":                     {Kind: kv.Bool},
		",1.5\r\n":                   {Kind: kv.Double, Str: []byte("1.5")},
		"(12345678901234567890\r\n":  kv.BulkString("12345678901234567890"),
		"=7\r\ntxt:abc\r\n":          {Kind: kv.Verbatim, Str: []byte("abc")},
		"*0\r\n":                     kv.ArrayReply(),
		"*2\r\n:1\r\n*1\r\n$-1\r\n":  kv.ArrayReply(kv.IntReply(1), kv.ArrayReply(kv.Reply{})),
		"~1\r\n:1\r\n":               {Kind: kv.Set, Elems: []kv.Reply{kv.IntReply(1)}},
		"%1\r\n+k\r\n:1\r\n":         {Kind: kv.Map, Elems: []kv.Reply{kv.SimpleReply("k"), kv.IntReply(1)}},
		">1\r\n:1\r\n":               kv.ArrayReply(kv.IntReply(1)),
	} {
		got, err := read(in)
		if err != nil || !reflect.DeepEqual(normal(got), normal(want)) {
			t.Errorf("%.40q: %.40v, %v; want %.40v", in, got, err, want)
		}
		for n := range in {
			if _, err := read(in[:n]); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%.40q cut at %d: %v", in, n, err)
			}
		}
	}
}

func TestReadReplyErrors(t *testing.T) {
	for _, in := range []string{
		"\r\n", "\n", "+OK\n", "+a\nb\r\n", "x\r\n", "?1\r\n", ":\r\n", ":1x\r\n", ":9223372036854775808\r\n", "$\r\n", "$-2\r\n", "$536870913\r\n",
		"*-2\r\n", "*2097153\r\n", "%2097153\r\n", "%-9223372036854775808\r\n", "%4611686018427387904\r\n", "|1\r\n+a\r\n+b\r\n:1\r\n",
		strings.Repeat("*1\r\n", maxReplyDepth+1) + ":1\r\n",
		"+" + strings.Repeat("x", maxReplyLine) + "\r\n",
	} {
		got, err := read(in)
		var protocol ProtocolError
		if !errors.As(err, &protocol) {
			t.Errorf("%.40q: %v, %v", in, got, err)
		}
	}
	if _, err := read(strings.Repeat("*1\r\n", maxReplyDepth) + ":1\r\n"); err != nil {
		t.Errorf("nested %d times: %v", maxReplyDepth, err)
	}
	broken := errors.New("connection reset")
	for _, in := range []string{"", "$5\r\nab", "*2\r\n:1\r\n"} {
		r := io.MultiReader(strings.NewReader(in), iotest.ErrReader(broken))
		if _, err := ReadReply(bufio.NewReader(r)); !errors.Is(err, broken) {
			t.Errorf("%q then a failure: %v", in, err)
		}
	}
}

// endless is a server that never ends its line.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '+'
	}
	return len(p), nil
}

func TestEndlessLineIsRefused(t *testing.T) {
	var protocol ProtocolError
	if _, err := ReadReply(bufio.NewReader(endless{})); !errors.As(err, &protocol) {
		t.Errorf("an endless line: %v", err)
	}
}

// A large announcement must not cost memory before the bytes come.
func TestAnnouncedBulkCostsNoMemory(t *testing.T) {
	allocated := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			if _, err := read("$536870912\r\nabc"); !errors.Is(err, io.ErrUnexpectedEOF) {
				b.Fatal(err)
			}
		}
	}).AllocedBytesPerOp()
	if allocated > 8<<20 {
		t.Errorf("%d bytes allocated for 3 that came", allocated)
	}
}

// normal is r as it can look after a trip over RESP3: no difference between
// empty and missing slices, one nil, and texts without line ends.
func normal(r kv.Reply) kv.Reply {
	out := kv.Reply{Kind: r.Kind, Int: r.Int, Str: append([]byte{}, r.Str...)}
	switch r.Kind {
	case kv.NilArray:
		out.Kind = kv.Nil
	case kv.Simple, kv.Error, kv.Double:
		for i, c := range out.Str {
			if c == '\r' || c == '\n' {
				out.Str[i] = ' '
			}
		}
	}
	for _, e := range r.Elems {
		out.Elems = append(out.Elems, normal(e))
	}
	return out
}

func FuzzReadReply(f *testing.F) {
	for _, seed := range []string{
		"+OK\r\n", "-ERR x\ry\r\n", ":1\r\n", "$3\r\nabc\r\n", "*2\r\n$-1\r\n*-1\r\n", "%1\r\n+a\r\n#t\r\n", "~1\r\n,inf\r\n", "=5\r\ntxt:a\r\n",
		"!3\r\nE\r\n\r\n", "(1\r\n", "_\r\n", "%-9223372036854775808\r\n", "=1\r\na\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := ReadReply(bufio.NewReader(bytes.NewReader(data)))
		if err != nil {
			return
		}
		roundTrip(t, got)
	})
}

// roundTrip checks that r arrives whole in RESP3, and in RESP2 as what RESP2 can
// say, with nothing left over.
func roundTrip(t rapid.TB, r kv.Reply) {
	t.Helper()
	for _, version := range []int{2, 3} {
		raw := AppendReply([]byte("before"), &r, version)[len("before"):]
		in := bufio.NewReader(bytes.NewReader(raw))
		got, err := ReadReply(in)
		if err != nil || in.Buffered() > 0 {
			t.Fatalf("%v in RESP%d is %q: %v, %d bytes left", r, version, raw, err, in.Buffered())
		}
		want := r
		if version == 2 {
			want = inRESP2(r)
		}
		if got, want := normal(got), normal(want); !reflect.DeepEqual(got, want) {
			t.Fatalf("%v in RESP%d is %q, read as %#v, want %#v", r, version, raw, got, want)
		}
	}
}

// inRESP2 is r with the kinds that RESP2 has.
func inRESP2(r kv.Reply) kv.Reply {
	switch r.Kind {
	case kv.Double, kv.Verbatim:
		r.Kind = kv.Bulk
	case kv.Bool:
		r.Kind = kv.Int
	case kv.Set, kv.Map:
		r.Kind = kv.Array
	}
	elems := r.Elems
	r.Elems = nil
	for _, e := range elems {
		r.Elems = append(r.Elems, inRESP2(e))
	}
	return r
}
