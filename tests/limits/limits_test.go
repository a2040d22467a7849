// Package limits shows what happens at the bounds: of keys, values, memory,
// pipelines, connections and patience.
package limits

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"raftkv/kv"
	"raftkv/kv/resp"
	"raftkv/tests/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m) }

func dial(t *testing.T, c *cluster.Cluster) *cluster.Conn {
	t.Helper()
	conn, err := cluster.Dial(c.At("n1").Redis)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func do(t *testing.T, conn *cluster.Conn, args ...string) kv.Reply {
	t.Helper()
	reply, err := conn.Do(args...)
	if err != nil {
		t.Fatalf("%.60s: %v", args, err)
	}
	return reply
}

func TestSizes(t *testing.T) {
	c := cluster.Start(t, cluster.Options{Nodes: 1, Flags: []string{"--max-value=100kb"}})
	conn := dial(t, c)
	large := strings.Repeat("v", 100<<10)
	for _, args := range [][]string{
		{"SET", "k", large},
		{"SET", strings.Repeat("k", 64<<10), "v"},
		{"GET", strings.Repeat("k", 64<<10)},
	} {
		if reply := do(t, conn, args...); reply.Kind == kv.Error {
			t.Errorf("%.30s at the limit: %s", args, reply.Str)
		}
	}
	for _, args := range [][]string{
		{"SET", "k", large + "v"},
		{"SET", strings.Repeat("k", 64<<10+1), "v"},
		{"APPEND", "k", "v"},
		{"SETRANGE", "k", "102400", "v"},
		{"MSET", "{k}1", large, "{k}2", large + "v"},
	} {
		if reply := do(t, conn, args...); reply.Kind != kv.Error || !strings.HasPrefix(string(reply.Str), "ERR ") {
			t.Errorf("%.30s over the limit: %v", args, reply.Kind)
		}
	}
	if reply := do(t, conn, "GET", "k"); string(reply.Str) != large {
		t.Errorf("a refused write changed something: %d bytes", len(reply.Str))
	}
	if reply := do(t, conn, "EXISTS", "{k}1"); reply.Int != 0 {
		t.Error("a refused MSET set a key")
	}
}

// Over the memory limit writes get OOM while reads and deletes go on.
func TestMemoryLimit(t *testing.T) {
	c := cluster.Start(t, cluster.Options{Nodes: 1, Flags: []string{"--max-memory=2mb"}})
	conn := dial(t, c)
	value := strings.Repeat("v", 10<<10)
	full := 0
	for i := range 1000 {
		reply := do(t, conn, "SET", fmt.Sprint("k", i), value)
		if reply.Kind == kv.Error {
			if kv.ReplyError(reply.Str).Code() != "OOM" {
				t.Fatalf("%s", reply.Str)
			}
			full = i
			break
		}
	}
	if full < 100 || full > 250 {
		t.Fatalf("2 MiB were full after %d values of 10 KiB", full)
	}
	if reply := do(t, conn, "GET", "k1"); string(reply.Str) != value {
		t.Error("a read over the limit fails")
	}
	if reply := do(t, conn, "MULTI"); reply.Kind == kv.Error {
		t.Error("MULTI")
	}
	if reply := do(t, conn, "SET", "k1", value); kv.ReplyError(reply.Str).Code() != "OOM" {
		t.Errorf("a write in a transaction: %s", reply.Str)
	}
	if reply := do(t, conn, "EXEC"); kv.ReplyError(reply.Str).Code() != "EXECABORT" {
		t.Errorf("the transaction: %s", reply.Str)
	}
	for i := range 20 {
		if reply := do(t, conn, "DEL", fmt.Sprint("k", i)); reply.Int != 1 {
			t.Fatalf("a delete over the limit: %s", reply.Str)
		}
	}
	if reply := do(t, conn, "SET", "again", value); reply.Kind == kv.Error {
		t.Errorf("a write after deletes: %s", reply.Str)
	}
}

func TestClients(t *testing.T) {
	c := cluster.Start(t, cluster.Options{Nodes: 1, Flags: []string{"--max-clients=5"}})
	var conns []*cluster.Conn
	c.Eventually("a refusal", func() error {
		conn, err := cluster.Dial(c.At("n1").Redis)
		if err != nil {
			return err
		}
		reply, err := conn.Do("PING")
		if err == nil && reply.Kind == kv.Error && strings.Contains(string(reply.Str), "max number of clients") {
			conn.Close()
			return nil
		}
		if err != nil {
			conn.Close()
			return nil // refused and closed before the command was sent
		}
		conns = append(conns, conn)
		return errors.New("it was accepted")
	})
	if len(conns) != 5 {
		t.Errorf("%d clients were accepted, not 5", len(conns))
	}
	conns[0].Close()
	c.Eventually("room for one", func() error {
		conn, err := cluster.Dial(c.At("n1").Redis)
		if err != nil {
			return err
		}
		defer conn.Close()
		reply, err := conn.Do("PING")
		if err == nil && reply.Kind == kv.Error {
			err = errors.New(string(reply.Str))
		}
		return err
	})
	for _, conn := range conns[1:] {
		conn.Close()
	}
}

// A pipeline of any length is answered in order, while the client reads.
func TestLongPipeline(t *testing.T) {
	c := cluster.Start(t, cluster.Options{Nodes: 1})
	nc, err := net.Dial("tcp", c.At("n1").Redis)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(cluster.Patience))
	const n = 30000
	go func() {
		var b []byte
		for i := range n {
			b = resp.AppendCommand(b, "SET", "k", fmt.Sprint(i))
			b = resp.AppendCommand(b, "GET", "k")
		}
		nc.Write(b)
	}()
	var want bytes.Buffer
	for i := range n {
		v := fmt.Sprint(i)
		fmt.Fprintf(&want, "+OK\r\n$%d\r\n%s\r\n", len(v), v)
	}
	got := make([]byte, want.Len())
	if _, err := io.ReadFull(nc, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Error("the replies are not those of the commands, in order")
	}
}

// A client that sends and never reads is bounded: the server stops reading from
// it, serves the others, and does not grow.
func TestSlowReader(t *testing.T) {
	c := cluster.Start(t, cluster.Options{Nodes: 1})
	conn := dial(t, c)
	if reply := do(t, conn, "SET", "big", strings.Repeat("v", 100<<10)); reply.Kind == kv.Error {
		t.Fatalf("%s", reply.Str)
	}
	slow, err := net.Dial("tcp", c.At("n1").Redis)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	get := resp.AppendCommand(nil, "GET", "big")
	sent := 0
	for {
		slow.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
		n, err := slow.Write(bytes.Repeat(get, 1000))
		sent += n
		if err != nil {
			break // the server reads no further
		}
		if sent > 100<<20 {
			t.Fatal("the server takes commands without end")
		}
	}
	status, err := cluster.StatusOf(c.At("n1").HTTP)
	if err != nil {
		t.Fatal(err)
	}
	if memory := status.Nodes[0].Memory; memory > 300<<20 {
		t.Errorf("the server has %d MiB for a client that does not read", memory>>20)
	}
	if reply := do(t, conn, "PING"); string(reply.Str) != "PONG" {
		t.Error("others are not served")
	}
}

func TestPassword(t *testing.T) {
	c := cluster.New(t, cluster.Options{Nodes: 1, Flags: []string{"--password=secret"}})
	c.StartAll()
	conn := dial(t, c)
	if reply := do(t, conn, "GET", "a"); kv.ReplyError(reply.Str).Code() != "NOAUTH" {
		t.Errorf("without a password: %s", reply.Str)
	}
	if reply := do(t, conn, "AUTH", "wrong"); kv.ReplyError(reply.Str).Code() != "WRONGPASS" {
		t.Errorf("with a wrong one: %s", reply.Str)
	}
	if reply := do(t, conn, "AUTH", "secret"); string(reply.Str) != "OK" {
		t.Errorf("with the right one: %s", reply.Str)
	}
	if reply := do(t, conn, "SET", "a", "1"); string(reply.Str) != "OK" {
		t.Errorf("afterwards: %s", reply.Str)
	}
}
