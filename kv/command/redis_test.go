package command

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"raftkv/kv/resp"
)

// redisTimeout bounds every wait for redis-server.
const redisTimeout = 20 * time.Second

// startRedis starts a real redis-server for the test and returns the path of
// its Unix socket: nobody else can have taken it, as a port may be.
func startRedis(t testing.TB) string {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("no redis-server to compare with: install redis-server (Debian: apt-get install redis-server)")
	}
	dir, err := os.MkdirTemp("", "redis") // t.TempDir is too long for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "redis.sock")
	server := exec.Command(program, "--port", "0", "--unixsocket", socket, "--dir", dir, "--save", "", "--appendonly", "no",
		"--databases", "1", "--proto-max-bulk-len", strconv.Itoa(maxTestValue), "--logfile", filepath.Join(dir, "log"))
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Kill()
		server.Wait()
	})
	for deadline := time.Now().Add(redisTimeout); ; time.Sleep(5 * time.Millisecond) {
		c, err := net.Dial("unix", socket)
		if err == nil {
			c.Close()
			return socket
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Fatalf("redis-server does not listen: %v\n%s", err, log)
		}
	}
}

// redisConn is a connection to redis-server that shows replies as their bytes.
type redisConn struct {
	t  testing.TB
	nc net.Conn
	in *bufio.Reader
}

func dialRedis(t testing.TB, socket string) *redisConn {
	t.Helper()
	nc, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return &redisConn{t: t, nc: nc, in: bufio.NewReader(nc)}
}

// do sends a command and returns the bytes of its reply.
func (c *redisConn) do(args ...[]byte) []byte {
	c.t.Helper()
	c.nc.SetDeadline(time.Now().Add(redisTimeout))
	if _, err := c.nc.Write(resp.AppendCommand(nil, args...)); err != nil {
		c.t.Fatal(err)
	}
	raw, err := readRaw(c.in)
	if err != nil {
		c.t.Fatalf("reply to %q: %v", args, err)
	}
	return raw
}

func (c *redisConn) doWords(args ...string) string {
	c.t.Helper()
	var words [][]byte
	for _, a := range args {
		words = append(words, []byte(a))
	}
	return string(c.do(words...))
}

// readRaw returns the bytes of one reply, of either protocol version.
func readRaw(r *bufio.Reader) ([]byte, error) {
	raw, err := r.ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	n := 0
	switch raw[0] {
	case '$', '=', '!', '*', '~', '>', '%':
		if n, err = strconv.Atoi(string(raw[1 : len(raw)-2])); err != nil {
			return nil, fmt.Errorf("reply line %q: %w", raw, err)
		}
	}
	switch raw[0] {
	case '$', '=', '!':
		if n >= 0 {
			bulk := make([]byte, n+2)
			if _, err := io.ReadFull(r, bulk); err != nil {
				return nil, err
			}
			raw = append(raw, bulk...)
		}
	case '%':
		n *= 2
		fallthrough
	case '*', '~', '>':
		for range max(n, 0) {
			elem, err := readRaw(r)
			if err != nil {
				return nil, err
			}
			raw = append(raw, elem...)
		}
	}
	return raw, nil
}
