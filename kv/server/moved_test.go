package server_test

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"raftkv/kv"
	"raftkv/kv/group"
	"raftkv/kv/resp"
	"raftkv/kv/server"
)

// movingNode is a node that leads two groups. The slots go from the first to the second when
// the first command has been routed.
type movingNode struct {
	fakeNode
	mu     sync.Mutex
	routed int
}

func (n *movingNode) Route(uint16) server.Route {
	n.mu.Lock()
	defer n.mu.Unlock()
	g := server.Group(n.groups[1])
	if n.routed++; n.routed == 1 {
		g = bereft{n.groups[0]}
	}
	return server.Route{Group: g, Leader: true, LeaderAddr: func() string { return "" }}
}

// bereft is a group that has given its slots away.
type bereft struct{ *fakeGroup }

func (bereft) Serves(uint16) bool { return false }
func (bereft) Propose(proposals ...*group.Proposal) {
	for _, p := range proposals {
		for range p.Ends {
			p.Replies = append(p.Replies, kv.ErrUnserved.Reply())
		}
		go p.Finish()
	}
}

// Commands of one pipeline are executed in their order also if their slot changes hands in
// between, from one group that the node leads to another.
func TestPipelineOverAMove(t *testing.T) {
	for _, way := range []string{"loops", "goroutines"} {
		for _, x := range []struct{ first, want string }{
			{"SET k 1", "+OK\r\n+OK\r\n$1\r\n2\r\n$1\r\n2\r\n"},
			{"GET k", "$-1\r\n+OK\r\n$1\r\n2\r\n$1\r\n2\r\n"},
		} {
			t.Run(way+" "+x.first, func(t *testing.T) {
				c := dialMoving(t, way)
				// Twice asked: once in the pipeline, and once when all is over.
				fmt.Fprintf(c, "%s\r\nSET k 2\r\nGET k\r\n", x.first)
				got := make([]byte, len(x.want))
				r := bufio.NewReader(c)
				before := len(x.want) - len("$1\r\n2\r\n")
				if _, err := io.ReadFull(r, got[:before]); err != nil {
					t.Fatalf("%q: %v", got, err)
				}
				fmt.Fprint(c, "GET k\r\n")
				if _, err := io.ReadFull(r, got[before:]); err != nil || string(got) != x.want {
					t.Errorf("%q, want %q: %v", got, x.want, err)
				}
			})
		}
	}
}

// dialMoving connects to a server whose slots go to another group behind the first command.
func dialMoving(t *testing.T, way string) net.Conn {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if way == "goroutines" {
		l = plainListener{l}
	}
	n := &movingNode{fakeNode: fakeNode{[]*fakeGroup{newFakeGroup(1), newFakeGroup(2)}}}
	kept := group.NewProposal() // what it has given away is not deleted yet
	kept.Add(resp.AppendCommand(nil, []byte("SET"), []byte("k"), []byte("old")))
	n.groups[0].apply(kept)
	s := server.New(n, server.Options{MaxValue: 1 << 20, Logger: slog.New(slog.DiscardHandler)})
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() { s.Close(); <-served })
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}

// Whatever looks at a key waits for its slot's new group, and does not fail.
func TestLooksWaitForMovingSlots(t *testing.T) {
	for _, x := range []struct{ command, want string }{
		{"WATCH k", "+OK\r\n"},
		{"OBJECT REFCOUNT k", "$-1\r\n"},
		{"MEMORY USAGE k", "$-1\r\n"},
		{"GET k", "$-1\r\n"},
		{"CLUSTER COUNTKEYSINSLOT 7629", ":0\r\n"},
	} {
		c := dialMoving(t, "loops")
		fmt.Fprintf(c, "%s\r\n", x.command)
		got := make([]byte, len(x.want))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != x.want {
			t.Errorf("%s: %q, want %q: %v", x.command, got, x.want, err)
		}
	}
}
