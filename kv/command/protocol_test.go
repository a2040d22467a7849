package command

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"raftkv/kv"
	"raftkv/kv/resp"
)

// answer is what a server that knows only PING, ECHO and QUIT answers to input
// after which nothing comes.
func answer(input []byte) []byte {
	var out []byte
	for len(input) > 0 {
		var args [][]byte
		var n int
		var err error
		if input[0] == '*' {
			args, n, err = resp.ParseCommand(input, nil, maxTestValue)
		} else {
			args, n, err = resp.ParseInline(input, nil)
		}
		if errors.Is(err, resp.ErrIncomplete) {
			break
		}
		if err != nil {
			reply := kv.ErrorReply(err.Error())
			return resp.AppendReply(out, &reply, 2)
		}
		input = input[n:]
		if len(args) == 0 {
			continue
		}
		reply := UnknownCommand(args).Reply()
		switch {
		case strings.EqualFold(string(args[0]), "ping") && len(args) == 1:
			reply = kv.SimpleReply("PONG")
		case strings.EqualFold(string(args[0]), "ping") && len(args) == 2:
			reply = kv.BulkReply(args[1])
		case strings.EqualFold(string(args[0]), "echo") && len(args) == 2:
			reply = kv.BulkReply(args[1])
		case strings.EqualFold(string(args[0]), "quit"):
			return resp.AppendReply(out, &kv.OK, 2)
		case Lookup(args[0]) != nil:
			reply = WrongArity(Lookup(args[0]).Name).Reply()
		}
		out = resp.AppendReply(out, &reply, 2)
	}
	return out
}

// redisAnswer is what redis-server answers to input after which nothing comes.
func redisAnswer(t rapid.TB, socket string, input []byte) []byte {
	t.Helper()
	nc, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(redisTimeout))
	// redis-server closes as soon as it knows enough: then writing fails.
	if _, err := nc.Write(input); err == nil {
		nc.(*net.UnixConn).CloseWrite()
	}
	out, err := io.ReadAll(nc)
	if err != nil && len(out) == 0 {
		t.Fatal(err)
	}
	return out
}

func compareAnswers(t rapid.TB, socket string, input []byte) {
	t.Helper()
	if ours, theirs := answer(input), redisAnswer(t, socket, input); string(ours) != string(theirs) {
		t.Errorf("%.60q\n  raftkv %q\n  redis  %q", input, ours, theirs)
	}
}

func TestProtocolErrorsLikeRedis(t *testing.T) {
	socket := startRedis(t)
	long := strings.Repeat("1", resp.MaxInline)
	for _, input := range []string{
		"*1\r\n$4\r\nPING\r\n", "PING\r\n", "ping\n", "\r\n\n  \r\nPING\r\n", "*0\r\n*-1\r\n*-5\r\nPING\r\n",
		"*\r\n", "*a\r\n", "*1 \r\n", "*+1\r\n", "*01\r\n", "*-0\r\n", "*--1\r\n", "*1\n$4\nPING\n\r\n", "* 1\r\n",
		"*9999999999999999999\r\n", "*18446744073709551617\r\n", "*99999999999999999999999999\r\n", "*-99999999999999999999\r\n",
		"*1\r\nPING\r\n", "*1\r\n\r\n", "*1\r\n\xff\r\n", "*1\r\n\x80", "*1\r\n\n\r\n", "*1\r\n*1\r\n", "*1\r\n:1\r\n",
		"*1\r\n$\r\n", "*1\r\n$-1\r\n", "*1\r\n$-0\r\n", "*1\r\n$04\r\nPING\r\n", "*1\r\n$4x\r\nPING\r\n", "*1\r\n$1048577\r\n", "*1\r\n$ 4\r\nPING\r\n",
		"*1\r\n$18446744073709551620\r\nPING\r\n", "*1\r\n$9999999999999999999\r\n", "*2\r\n$4\r\nECHO\r\n$x\r\n", "*2\r\n$4\r\nECHO\r\n$0\r\n\r\n",
		"*1\r\n$4\r\nPINGxxPING\r\n", "*1\rx$4\rxPINGxx", "*2\r\n$4\r\nECHO\r\n$4\r\n\r\n\r\n\r\n",
		"*1\r\n$4\r\nPING\r\n*x\r\n*1\r\n$4\r\nPING\r\n", "PING\r\n'\r\nPING\r\n",
		"ECHO \"a b\"\r\n", "ECHO 'a\\'b'\r\n", "ECHO \"\\x41\\n\\\"\"\r\n", "ECHO \"a\"b\r\n", "ECHO 'a'b\r\n", "ECHO \"a\r\n", "ECHO 'a\\'\r\n", "ECHO a\"b\"\r\n",
		"ECHO a\vb\r\n", "ECHO \"a\"\v\r\n", "\vECHO\fa\r\n", "ECHO \v\fa\r\n", "ECHO a\rb\r\n", "ECHO \"\\xg1\"\r\n", "ECHO \"\\\"\r\n", "ECHO ''\r\n",
		"\xff\r\n", "$4\r\n", "-ERR\r\n",
		"*" + long, "*1\r\n$" + long, "*1\r\n" + long + "1", "*1\r\n$4\r\nPING\r\n*" + long, long + "1", "'" + long,
	} {
		compareAnswers(t, socket, []byte(input))
	}
}

func TestAnyInputLikeRedis(t *testing.T) {
	socket := startRedis(t)
	pieces := []string{
		"*1\r\n$4\r\nPING\r\n", "PING\r\n", "ECHO hi\r\n", "*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n", "QUIT\r\n",
		"*1", "*2", "*", "$4", "$", "\r\n", "\r", "\n", "PING", "ECHO ", "0", "1", "4", "-", "+", "\"", "'", "\\", "\\x4", " ", "\v", "\t", "a", "\xff", "_",
	}
	rapid.Check(t, func(rt *rapid.T) {
		input := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 1, 12).Draw(rt, "input"), "")
		compareAnswers(rt, socket, []byte(input))
	})
}
