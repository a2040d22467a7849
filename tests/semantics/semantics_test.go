// Package semantics compares raftkv with redis-server, reply by reply, byte by
// byte, through real sockets in both versions of the protocol.
package semantics

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"raftkv/kv/resp"
	"raftkv/tests/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m) }

// redisServer starts a redis-server and returns its address.
func redisServer(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal("redis-server is needed: apt-get install redis-server (make test does that)")
	}
	port := cluster.FreePorts(t, 2) // the second for the cluster bus: redis-server's default may be in use
	cmd := exec.Command(path, "--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir(), "--cluster-enabled", "yes", "--cluster-port", fmt.Sprint(port+1))
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("redis-server said:\n%s", said.String())
		}
	})
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	cluster.Eventually(t, "redis-server", func() error {
		c, err := dial(addr)
		if err != nil {
			return err
		}
		defer c.nc.Close()
		// A cluster of one, so that keys of several slots are refused.
		if _, err := c.do([]string{"CLUSTER", "ADDSLOTSRANGE", "0", "16383"}); err != nil {
			return err
		}
		info, err := c.do([]string{"CLUSTER", "INFO"})
		if err == nil && !strings.Contains(info, "cluster_state:ok") {
			err = errors.New(info)
		}
		return err
	})
	return addr
}

// raw is a connection that shows replies as they are on the wire.
type raw struct {
	nc net.Conn
	r  *bufio.Reader
}

func dial(addr string) (*raw, error) {
	nc, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	return &raw{nc, bufio.NewReader(nc)}, nil
}

func (c *raw) do(args []string) (string, error) {
	c.nc.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := c.nc.Write(resp.AppendCommand(nil, args...)); err != nil {
		return "", err
	}
	var b bytes.Buffer
	err := c.copyReply(&b)
	return b.String(), err
}

// copyReply copies one reply, whatever it is.
func (c *raw) copyReply(b *bytes.Buffer) error {
	line, err := c.r.ReadString('\n')
	if err != nil {
		return err
	}
	b.WriteString(line)
	n, numErr := strconv.Atoi(strings.TrimSpace(line[1:]))
	switch line[0] {
	case '$', '=':
		if numErr != nil {
			return numErr
		}
		if n >= 0 {
			_, err = io.CopyN(b, c.r, int64(n+2))
		}
		return err
	case '*', '~', '%', '>':
		if numErr != nil {
			return numErr
		}
		if line[0] == '%' {
			n *= 2
		}
		for range n {
			if err := c.copyReply(b); err != nil {
				return err
			}
		}
	}
	return nil
}

// pair is a connection to each of both.
type pair struct {
	raftkv, redis *raw
}

func connect(t testing.TB, raftkv, redis, version string) *pair {
	t.Helper()
	p := new(pair)
	for addr, c := range map[string]**raw{raftkv: &p.raftkv, redis: &p.redis} {
		conn, err := dial(addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.nc.Close() })
		if _, err := conn.do([]string{"HELLO", version}); err != nil {
			t.Fatal(err)
		}
		*c = conn
	}
	return p
}

// do sends a command to both and returns how their replies differ.
func (p *pair) do(args []string) (reply string, err error) {
	want, err := p.redis.do(args)
	if err != nil {
		return "", fmt.Errorf("redis-server: %w", err)
	}
	got, err := p.raftkv.do(args)
	if err != nil {
		return "", fmt.Errorf("raftkv: %w", err)
	}
	if !same(args, got, want) {
		return got, fmt.Errorf("%q\n  raftkv %q\n  redis  %q", args, got, want)
	}
	return got, nil
}

// same compares replies. What a clock decides may differ a little, and replies
// without an order may come in any.
func same(args []string, got, want string) bool {
	if got == want {
		return true
	}
	switch strings.ToUpper(args[0]) {
	case "TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME":
		a, errA := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(got, ":")))
		b, errB := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(want, ":")))
		return errA == nil && errB == nil && a > 0 && b > 0 && a-b < 2000 && b-a < 2000
	case "KEYS":
		return sameElements(got, want)
	}
	return false
}

func sameElements(a, b string) bool {
	count := make(map[string]int)
	for _, line := range strings.Split(a, "\r\n") {
		count[line]++
	}
	for _, line := range strings.Split(b, "\r\n") {
		count[line]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}

// words splits a line of a script; words may be quoted as in Go.
func words(line string) ([]string, error) {
	var out []string
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimSpace(line) {
		if line[0] != '"' {
			word, rest, _ := strings.Cut(line, " ")
			out, line = append(out, word), rest
			continue
		}
		quoted, err := strconv.QuotedPrefix(line)
		if err != nil {
			return nil, err
		}
		word, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, err
		}
		out, line = append(out, word), line[len(quoted):]
	}
	if len(out) == 0 {
		return nil, errors.New("no words")
	}
	return out, nil
}

// Every line of testdata gets the same reply from both. Each file begins with an
// empty key space.
func TestSameRepliesAsRedis(t *testing.T) {
	redis := redisServer(t)
	c := cluster.Start(t, cluster.Options{Nodes: 1})
	raftkv := c.At("n1").Redis
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		for _, version := range []string{"2", "3"} {
			t.Run(filepath.Base(file)+" RESP"+version, func(t *testing.T) {
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				p := connect(t, raftkv, redis, version)
				if _, err := p.do([]string{"FLUSHALL"}); err != nil {
					t.Fatal(err)
				}
				lines := 0
				for n, line := range strings.Split(string(text), "\n") {
					if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
						continue
					}
					args, err := words(line)
					if err != nil {
						t.Fatalf("%s:%d: %v", file, n+1, err)
					}
					if _, err := p.do(args); err != nil {
						t.Errorf("%s:%d: %v", file, n+1, err)
					}
					lines++
				}
				if lines < 10 {
					t.Errorf("%s has %d commands", file, lines)
				}
			})
		}
	}
}

// Random commands on few keys get the same replies.
func TestRandomCommandsAsRedis(t *testing.T) {
	redis := redisServer(t)
	c := cluster.Start(t, cluster.Options{Nodes: 1})
	p := connect(t, c.At("n1").Redis, redis, "3")
	rapid.Check(t, func(rt *rapid.T) {
		if _, err := p.do([]string{"FLUSHALL"}); err != nil {
			rt.Fatal(err)
		}
		queued := false
		absent, deleted := false, false // a key is watched that was not there; one was deleted since
		for range rapid.IntRange(1, 40).Draw(rt, "commands") {
			args := drawCommand(rt)
			switch args[0] {
			case "MULTI":
				if queued {
					continue
				}
				queued = true
			case "EXEC", "DISCARD":
				if !queued {
					continue
				}
				queued = false
			case "WATCH":
				if queued {
					continue
				}
				there, err := p.do([]string{"EXISTS", args[1]})
				if err != nil {
					rt.Fatal(err)
				}
				if there == ":0\r\n" && !absent {
					absent, deleted = true, false
				}
			case "DBSIZE", "KEYS":
				// They concern all groups, which no transaction of raftkv does.
				if queued {
					continue
				}
			}
			got, err := p.do(args)
			deleted = deleted || !queued && deletes(args[0])
			if args[0] == "EXEC" && got == "_\r\n" && absent && deleted {
				// The deletion of another key of the slot may be taken for that of the one
				// that was not there (store.Version). From here on they differ.
				break
			}
			if err != nil {
				rt.Fatal(err)
			}
			if args[0] == "EXEC" || args[0] == "DISCARD" {
				absent = false
			}
		}
		if queued {
			if _, err := p.do([]string{"DISCARD"}); err != nil {
				rt.Fatal(err)
			}
		}
		if _, err := p.do([]string{"UNWATCH"}); err != nil {
			rt.Fatal(err)
		}
	})
}

// deletes tells whether a command may delete a key.
func deletes(command string) bool {
	return slices.Contains([]string{"DEL", "GETDEL", "RENAME", "RENAMENX", "EXPIRE", "GETEX"}, command)
}

func drawCommand(t *rapid.T) []string {
	key := func() string { return rapid.SampledFrom([]string{"{k}a", "{k}b", "{k}c"}).Draw(t, "key") }
	value := func() string {
		return rapid.SampledFrom([]string{"", "0", "1", "-7", "12", "9223372036854775807", "abc", "3.5", "1e3", "hello world", " 5", "\x00\xff"}).Draw(t, "value")
	}
	number := func() string {
		return rapid.SampledFrom([]string{"0", "1", "-1", "5", "-3", "100", "x", "", "9223372036854775807", "-9223372036854775808"}).Draw(t, "number")
	}
	return rapid.SampledFrom([]func() []string{
		func() []string { return []string{"SET", key(), value()} },
		func() []string {
			return append([]string{"SET", key(), value()}, rapid.SliceOfN(rapid.SampledFrom([]string{"NX", "XX", "GET", "KEEPTTL", "EX", "100", "PX", "100000", "-1", "nx"}), 0, 4).Draw(t, "options")...)
		},
		func() []string { return []string{"GET", key()} },
		func() []string { return []string{"GETSET", key(), value()} },
		func() []string { return []string{"GETDEL", key()} },
		func() []string {
			return append([]string{"GETEX", key()}, rapid.SampledFrom([][]string{nil, {"PERSIST"}, {"EX", "100"}, {"EX"}, {"EX", "0"}}).Draw(t, "options")...)
		},
		func() []string { return []string{"SETNX", key(), value()} },
		func() []string { return []string{"SETEX", key(), number(), value()} },
		func() []string { return []string{"APPEND", key(), value()} },
		func() []string { return []string{"STRLEN", key()} },
		func() []string {
			return []string{"SETRANGE", key(), rapid.SampledFrom([]string{"0", "3", "-1", "x"}).Draw(t, "at"), value()}
		},
		func() []string {
			return []string{"GETRANGE", key(), rapid.SampledFrom([]string{"0", "1", "-1", "-100", "x"}).Draw(t, "from"), rapid.SampledFrom([]string{"0", "2", "-1", "100"}).Draw(t, "to")}
		},
		func() []string { return []string{"INCR", key()} },
		func() []string { return []string{"DECR", key()} },
		func() []string { return []string{"INCRBY", key(), number()} },
		func() []string { return []string{"DECRBY", key(), number()} },
		func() []string {
			return []string{"INCRBYFLOAT", key(), rapid.SampledFrom([]string{"1.5", "-0.1", "1e2", "x", "3"}).Draw(t, "float")}
		},
		func() []string { return []string{"MSET", key(), value(), key(), value()} },
		func() []string { return []string{"MSETNX", key(), value(), key(), value()} },
		func() []string { return []string{"MGET", key(), key()} },
		func() []string { return []string{"DEL", key(), key()} },
		func() []string { return []string{"EXISTS", key(), key()} },
		func() []string { return []string{"TYPE", key()} },
		func() []string { return []string{"RENAME", key(), key()} },
		func() []string { return []string{"RENAMENX", key(), key()} },
		func() []string {
			return append([]string{"COPY", key(), key()}, rapid.SampledFrom([][]string{nil, {"REPLACE"}}).Draw(t, "options")...)
		},
		func() []string {
			return append([]string{"EXPIRE", key(), rapid.SampledFrom([]string{"100", "-1", "0", "200", "x"}).Draw(t, "ttl")}, rapid.SampledFrom([][]string{nil, {"NX"}, {"XX"}, {"GT"}, {"LT"}, {"NX", "XX"}, {"XX", "GT"}}).Draw(t, "options")...)
		},
		func() []string { return []string{"TTL", key()} },
		func() []string { return []string{"PERSIST", key()} },
		func() []string { return []string{"DBSIZE"} },
		func() []string {
			return []string{"KEYS", rapid.SampledFrom([]string{"*", "{k}*", "*[ab]", "nothing"}).Draw(t, "pattern")}
		},
		func() []string { return []string{"MULTI"} },
		func() []string { return []string{"EXEC"} },
		func() []string { return []string{"DISCARD"} },
		func() []string { return []string{"WATCH", key()} },
		func() []string { return []string{"NOSUCHCOMMAND", value()} },
		func() []string { return []string{"GET"} },
	}).Draw(t, "command")()
}

// Malformed input gets Redis's protocol errors, and then the connection ends.
func TestProtocolErrorsAsRedis(t *testing.T) {
	redis := redisServer(t)
	c := cluster.Start(t, cluster.Options{Nodes: 1})
	for _, input := range []string{
		"*1\r\n!3\r\nfoo\r\n",
		"*x\r\n",
		"*1\r\n$-5\r\n",
		"*1\r\n$x\r\nfoo\r\n",
		"*2\r\n$3\r\nGET\r\n$600000000\r\n",
		"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n+foo\r\n",
		"set x \"unbalanced\r\n",
		"*0\r\nPING\r\n",
		"*-1\r\nPING\r\n",
		"PING\r\nECHO \"a b\"\r\nSET '{k}a' \"\\x41\\n\"\r\nGET {k}a\r\n",
		"\r\n\r\nPING\r\n",
	} {
		answers := make(map[string]string)
		for _, addr := range []string{redis, c.At("n1").Redis} {
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			nc.SetDeadline(time.Now().Add(10 * time.Second))
			nc.Write([]byte(input))
			nc.(*net.TCPConn).CloseWrite()
			b, err := io.ReadAll(nc)
			if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && !strings.Contains(err.Error(), "reset") {
				t.Error(err)
			}
			nc.Close()
			answers[addr] = string(b)
		}
		if answers[redis] != answers[c.At("n1").Redis] {
			t.Errorf("%q\n  raftkv %q\n  redis  %q", input, answers[c.At("n1").Redis], answers[redis])
		}
	}
}
