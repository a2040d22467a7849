package resp

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// testBulk is the largest argument in these tests, in bytes.
const testBulk = 1000

// parser is ParseCommand or ParseInline with its limits.
type parser func(buf []byte, args [][]byte) ([][]byte, int, error)

func parseCommand(buf []byte, args [][]byte) ([][]byte, int, error) {
	return ParseCommand(buf, args, testBulk)
}

// parseStream parses the commands of data, of which chunk bytes arrive at a
// time, until an error other than ErrIncomplete. left is what no command took.
func parseStream(t rapid.TB, parse parser, data []byte, chunk int) (commands [][]string, left int, err error) {
	t.Helper()
	var buf []byte
	var space [][]byte
	for len(data) > 0 {
		n := min(chunk, len(data))
		buf, data = append(buf, data[:n]...), data[n:]
		for len(buf) > 0 {
			args, n, err := parse(buf, space)
			if err != nil && n != 0 {
				t.Fatalf("took %d bytes with error %v", n, err)
			}
			if errors.Is(err, ErrIncomplete) {
				break
			}
			if err != nil {
				return commands, len(buf) + len(data), err
			}
			if n <= 0 || n > len(buf) {
				t.Fatalf("took %d of %d bytes", n, len(buf))
			}
			commands = append(commands, asStrings(args))
			buf, space = buf[n:], args
		}
	}
	return commands, len(buf), nil
}

func asStrings(args [][]byte) []string {
	out := []string{}
	for _, a := range args {
		out = append(out, string(a))
	}
	return out
}

// sameInPieces checks that commands do not depend on how their bytes arrive.
func sameInPieces(t rapid.TB, parse parser, data []byte) [][]string {
	t.Helper()
	want, left, err := parseStream(t, parse, data, len(data)+1)
	pieces := []int{1, 7}
	if len(data) > 5000 { // each piece looks at all before it
		pieces = []int{1000}
	}
	for _, chunk := range pieces {
		got, gotLeft, gotErr := parseStream(t, parse, data, chunk)
		if !slices.EqualFunc(got, want, slices.Equal) || !sameError(gotErr, err) || err == nil && gotLeft != left {
			t.Fatalf("%q by %d bytes:\n%q, %d left, %v\nat once:\n%q, %d left, %v", data, chunk, got, gotLeft, gotErr, want, left, err)
		}
	}
	return want
}

func sameError(a, b error) bool { return errors.Is(a, b) && errors.Is(b, a) }

func TestParseCommand(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []string
		took int // 0: all
	}{
		{"*1\r\n$4\r\nPING\r\n", []string{"PING"}, 0},
		{"*2\r\n$3\r\nGET\r\n$0\r\n\r\n", []string{"GET", ""}, 0},
		{"*1\r\n$4\r\n\r\n\x00\xff\r\n", []string{"\r\n\x00\xff"}, 0},
		{"*1\r\n$1\r\na\r\n*1\r\n$1\r\nb\r\n", []string{"a"}, 11},
		{"*0\r\n", []string{}, 0},
		{"*-1\r\n", []string{}, 0},
		{"*-100\r\n*1", []string{}, 7},
		{"*1\rX$1\rXaXX", []string{"a"}, 0}, // the byte behind \r is not looked at
		{"*1\r\n$1000\r\n" + strings.Repeat("x", 1000) + "\r\n", []string{strings.Repeat("x", 1000)}, 0},
	} {
		took := c.took
		if took == 0 {
			took = len(c.in)
		}
		got, n, err := parseCommand([]byte(c.in), nil)
		if err != nil || n != took || !slices.Equal(asStrings(got), c.want) {
			t.Errorf("%.40q: %.40q, %d, %v; want %.40q, %d", c.in, got, n, err, c.want, took)
		}
		sameInPieces(t, parseCommand, []byte(c.in))
	}
}

// The texts are those of redis-server 7.0.15; package command compares them
// with a running one.
func TestParseCommandErrors(t *testing.T) {
	long := strings.Repeat("1", MaxInline)
	for in, want := range map[string]string{
		"PING\r\n":                              "expected '*', got 'P'",
		"\xff":                                  "expected '*', got '\xff'",
		"*\r\n":                                 "invalid multibulk length",
		"*a\r\n":                                "invalid multibulk length",
		"*1 \r\n":                               "invalid multibulk length",
		"*+1\r\n":                               "invalid multibulk length",
		"*01\r\n":                               "invalid multibulk length",
		"*-0\r\n":                               "invalid multibulk length",
		"*--1\r\n":                              "invalid multibulk length",
		"*1048577\r\n":                          "invalid multibulk length",
		"*9999999999999999999\r\n":              "invalid multibulk length",
		"*18446744073709551617\r\n":             "invalid multibulk length",
		"*1\n$4\nPING\r\n":                      "invalid multibulk length",
		"*" + long:                              "too big mbulk count string",
		"*1\r\nPING\r\n":                        "expected '$', got 'P'",
		"*1\r\n\r\n":                            "expected '$', got '\r'",
		"*1\r\n\xff\r\n":                        "expected '$', got '\xff'",
		"*1\r\n*1\r\n":                          "expected '$', got '*'",
		"*1\r\n$\r\n":                           "invalid bulk length",
		"*1\r\n$-1\r\n":                         "invalid bulk length",
		"*1\r\n$1001\r\n":                       "invalid bulk length",
		"*1\r\n$01\r\na\r\n":                    "invalid bulk length",
		"*1\r\n$1x\r\na\r\n":                    "invalid bulk length",
		"*1\r\n$-18446744073709551615\r\na\r\n": "invalid bulk length",
		"*1\r\n$18446744073709551617\r\na\r\n":  "invalid bulk length",
		"*1\r\n$" + long:                        "too big bulk count string",
		"*2\r\n$3\r\nGET\r\n$x\r\n":             "invalid bulk length",
	} {
		_, n, err := parseCommand([]byte(in), nil)
		var protocol ProtocolError
		if !errors.As(err, &protocol) || string(protocol) != want || n != 0 {
			t.Errorf("%.40q: %d, %v; want %q", in, n, err, want)
		}
		if want := "ERR Protocol error: " + want; err != nil && err.Error() != want {
			t.Errorf("%.40q: text %q, want %q", in, err.Error(), want)
		}
		sameInPieces(t, parseCommand, []byte(in))
	}
}

func TestParseCommandIncomplete(t *testing.T) {
	whole := AppendCommand(nil, "SET", "key", "", "a\r\nvalue")
	for n := range whole {
		if args, took, err := parseCommand(whole[:n], nil); !errors.Is(err, ErrIncomplete) || took != 0 {
			t.Errorf("%q: %q, %d, %v", whole[:n], args, took, err)
		}
	}
	// What is announced costs nothing before it has come.
	for _, in := range []string{"*1048576\r\n", "*1\r\n$1000\r\n", "*" + strings.Repeat("1", MaxInline-1)} {
		if args, _, err := parseCommand([]byte(in), nil); !errors.Is(err, ErrIncomplete) || cap(args) > 8 {
			t.Errorf("%.40q: room for %d arguments, %v", in, cap(args), err)
		}
	}
}

// Arguments are handed on by slices of the buffer: appending to one must not
// write into the next.
func TestParsedArgumentsCannotGrow(t *testing.T) {
	buf := AppendCommand(nil, "a", "b")
	before := string(buf)
	args, _, err := parseCommand(buf, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = append(args[0], "XXXXXXXX"...)
	if string(buf) != before {
		t.Errorf("buffer became %q", buf)
	}
}

func FuzzParseCommand(f *testing.F) {
	for _, seed := range []string{
		"*1\r\n$4\r\nPING\r\n", "*2\r\n$3\r\nGET\r\n$0\r\n\r\n*0\r\n*-1\r\n*1\r\n$1\r\nx\r\n",
		"*-0\r\n", "*1\r\n$-1\r\n", "*1\r\n$01\r\n", "*9999999999999999999\r\n", "*1\rX$1\rXaXX", "GET a\r\n", "*1\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1000 {
			t.Skip("byte by byte takes quadratic time")
		}
		for _, command := range sameInPieces(t, parseCommand, data) {
			raw := AppendCommand(nil, command...)
			again, n, err := parseCommand(raw, nil)
			if err != nil || n != len(raw) || !slices.Equal(asStrings(again), command) {
				t.Fatalf("%q encoded as %q parses as %q, %d, %v", command, raw, again, n, err)
			}
		}
	})
}
