package client

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"raftkv/kv"
	"raftkv/shard"
)

// servers returns which nodes got the data commands since the last call.
func (f *fake) servers() []string {
	var out []string
	for _, line := range f.commands() {
		name, _, _ := strings.Cut(line, " ")
		out = append(out, name)
	}
	return out
}

// waitForRoutes waits until the client knows who serves slot 0.
func waitForRoutes(t *testing.T, c *Client, owner *fakeNode) {
	t.Helper()
	eventually(t, "the routes are known", func() bool {
		n := c.routes.owner(0)
		return n != nil && n.addr == owner.addr
	})
}

func TestRoutesAreLearntBeforeTheFirstRedirect(t *testing.T) {
	for _, noHost := range []bool{false, true} {
		f := newFake(t, 3)
		f.noHost = noHost
		f.owner = func(slot uint16) *fakeNode { return f.nodes[int(slot)*3/shard.Slots] }
		c := f.client(Options{}, 0)
		waitForRoutes(t, c, f.nodes[0])
		eventually(t, "the last slot is known", func() bool { return c.routes.owner(shard.Slots-1) != nil })
		for i := range 20 {
			if err := c.Set(t.Context(), fmt.Sprint("k", i), "v"); err != nil {
				t.Fatal(err)
			}
		}
		if got := f.servers(); len(got) != 20 || !slices.Contains(got, "n1") || !slices.Contains(got, "n2") {
			t.Errorf("20 writes went to %q", got)
		}
	}
}

// MOVED alone is enough, and is remembered.
func TestMoved(t *testing.T) {
	for _, noHost := range []bool{false, true} {
		f := newFake(t, 2)
		f.hidden, f.noHost = true, noHost
		f.owner = func(uint16) *fakeNode { return f.nodes[1] }
		c := f.client(Options{}, 0)
		for range 2 {
			if _, err := c.Incr(t.Context(), "n"); err != nil {
				t.Fatal(err)
			}
		}
		if got := f.servers(); !slices.Equal(got, []string{"n0", "n1", "n1"}) {
			t.Errorf("two INCR went to %q", got)
		}
		// Commands without a key are sent on too.
		if _, err := c.Do(t.Context(), "DBSIZE"); err != nil {
			t.Error(err)
		}
	}
}

// Nodes that send a client to and fro while they do not agree are not asked as
// fast as the network can.
func TestRedirectsToAndFro(t *testing.T) {
	f := newFake(t, 2)
	f.hidden = true
	turns := 0
	f.owner = func(uint16) *fakeNode { // the other node, eight times
		if turns++; turns > 8 || strings.HasPrefix(f.log[len(f.log)-1], "n1") {
			return f.nodes[0]
		}
		return f.nodes[1]
	}
	start := time.Now()
	if n, err := f.client(Options{}).Incr(t.Context(), "n"); n != 1 || err != nil {
		t.Errorf("Incr: %d, %v", n, err)
	}
	if took := time.Since(start); took < 100*time.Millisecond {
		t.Errorf("8 redirects took only %v", took)
	}
}

// The client was told one node, and that dies: the others are known by then.
func TestTheOnlySeedDies(t *testing.T) {
	f := newFake(t, 3)
	c := f.client(Options{}, 0)
	if _, err := c.Incr(t.Context(), "n"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all nodes are known", func() bool { return len(c.routes.known()) == 3 })
	f.set(func() { f.owner = func(uint16) *fakeNode { return f.nodes[2] } })
	f.nodes[0].kill()
	if n, err := c.Incr(t.Context(), "n"); n != 2 || err != nil {
		t.Errorf("after the death of the leader: %d, %v", n, err)
	}
}

// A leader that hangs is left for the next one as soon as it is known.
func TestHungLeader(t *testing.T) {
	f := newFake(t, 3)
	c := f.client(Options{AttemptTimeout: 100 * time.Millisecond})
	waitForRoutes(t, c, f.nodes[0])
	f.set(func() {
		f.onCommand = func(n *fakeNode, _ []string) action {
			if n != f.nodes[0] {
				return serve
			}
			f.owner = func(uint16) *fakeNode { return f.nodes[1] }
			return hang
		}
	})
	if n, err := c.Incr(t.Context(), "n"); n != 1 || err != nil {
		t.Errorf("Incr: %d, %v", n, err)
	}
}

// A node without a leader in sight is not asked forever: another may know.
func TestNoLeaderInSightOfOneNode(t *testing.T) {
	f := newFake(t, 3)
	f.hidden = true
	c := f.client(Options{})
	if _, err := c.Incr(t.Context(), "n"); err != nil {
		t.Fatal(err)
	}
	f.set(func() { // node 0 is cut off and does not know; the others do
		f.owner = func(uint16) *fakeNode {
			if strings.HasPrefix(f.log[len(f.log)-1], "n0") {
				return f.nodes[0]
			}
			return f.nodes[1]
		}
		f.onCommand = func(n *fakeNode, _ []string) action {
			if n == f.nodes[0] {
				return down
			}
			return serve
		}
	})
	if n, err := c.Incr(t.Context(), "n"); n != 2 || err != nil {
		t.Errorf("Incr: %d, %v", n, err)
	}
}

func TestFollowerReads(t *testing.T) {
	f := newFake(t, 3)
	c := f.client(Options{FollowerReads: true}, 0)
	if err := c.Set(t.Context(), "k", "v"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all nodes are known", func() bool { return len(c.routes.known()) == 3 })
	f.commands()
	for range 100 {
		if v, _, err := c.Get(t.Context(), "k"); v != "v" || err != nil {
			t.Fatalf("%q, %v", v, err)
		}
	}
	reads := f.servers()
	if len(reads) != 100 {
		t.Errorf("100 reads took %d commands", len(reads))
	}
	for _, n := range f.nodes {
		if !slices.Contains(reads, n.name) {
			t.Errorf("none of 100 reads went to %s", n.name)
		}
	}
	if err := c.Set(t.Context(), "k", "w"); err != nil {
		t.Fatal(err)
	}
	if got := f.servers(); !slices.Equal(got, []string{"n0"}) {
		t.Errorf("a write went to %q", got)
	}
}

// A node that has left the cluster is forgotten, unless the options name it.
func TestNodesThatLeftAreForgotten(t *testing.T) {
	f := newFake(t, 1)
	c := f.client(Options{})
	waitForRoutes(t, c, f.nodes[0])
	gone := c.routes.node("127.0.0.1:1")
	c.learn(gone) // it does not answer; the other one does
	eventually(t, "the node is forgotten", func() bool {
		known := c.routes.known()
		return len(known) == 1 && known[0].addr == f.nodes[0].addr
	})
	eventually(t, "its connections are closed", func() bool {
		gone.mu.Lock()
		defer gone.mu.Unlock()
		return gone.retired
	})
}

func TestPoolIsBounded(t *testing.T) {
	f := newFake(t, 1)
	c := f.client(Options{PoolSize: 2})
	waitForRoutes(t, c, f.nodes[0])
	f.set(func() { f.onCommand = func(*fakeNode, []string) action { return hang } })
	ctx := ended(t, time.Hour)
	for i := range 5 {
		go c.Get(ctx, fmt.Sprint("k", i))
	}
	eventually(t, "two commands are under way", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.log) == 2
	})
	// A sixth waits for a connection and was never sent.
	_, err := c.Incr(ended(t, 50*time.Millisecond), "n")
	if err == nil || strings.HasPrefix(err.Error(), "UNCERTAIN") || !strings.Contains(err.Error(), "PoolSize") {
		t.Errorf("no connection: %v", err)
	}
	if got := f.commands(); len(got) != 2 {
		t.Errorf("the node got %q over two connections", got)
	}
	f.nodes[0].mu.Lock()
	defer f.nodes[0].mu.Unlock()
	if n := len(f.nodes[0].conns); n != 2 {
		t.Errorf("%d connections are open", n)
	}
}

func TestParseReplies(t *testing.T) {
	entry := func(from, to int64, host string) kv.Reply {
		return kv.ArrayReply(kv.IntReply(from), kv.IntReply(to), kv.ArrayReply(kv.BulkString(host), kv.IntReply(7001)))
	}
	got, err := parseSlots(kv.ArrayReply(entry(0, 99, ""), entry(100, 16383, "h")), "asked:1")
	if err != nil || len(got) != 2 || got[0].addr != "asked:7001" || got[1].addr != "h:7001" || got[1].slots != (shard.Range{100, 16383}) {
		t.Errorf("CLUSTER SLOTS: %v, %v", got, err)
	}
	for name, bad := range map[string]kv.Reply{
		"nothing":       kv.ArrayReply(),
		"short":         kv.ArrayReply(kv.ArrayReply(kv.IntReply(0), kv.IntReply(1))),
		"no such slots": kv.ArrayReply(entry(0, 16384, "h")),
		"backwards":     kv.ArrayReply(entry(2, 1, "h")),
		"a text":        kv.BulkString("x"),
	} {
		if got, err := parseSlots(bad, "asked:1"); err == nil {
			t.Errorf("%s: %v", name, got)
		}
	}
	nodes := parseNodes("a h:1@2 master - 0\nb :3@4 myself,master\nc :0@0 master,noaddr\nd [::1]:5@6,name slave x\n\nbad\n", "asked:9")
	if want := []string{"h:1", "asked:3", "[::1]:5"}; !slices.Equal(nodes, want) {
		t.Errorf("CLUSTER NODES: %q, want %q", nodes, want)
	}
	for _, bad := range []kv.ReplyError{"MOVED", "MOVED 1", "MOVED x h:1", "MOVED 16384 h:1", "MOVED 1 h", "MOVED 1 h:"} {
		if _, addr, ok := target(bad, "asked:9"); ok {
			t.Errorf("%q leads to %q", bad, addr)
		}
	}
}

// Where another node can do, neither one that failed a moment ago is asked nor
// the one that has just said that it knows no leader.
func TestChoice(t *testing.T) {
	opts := Options{Addrs: []string{"h:1", "h:2", "h:3"}}
	if err := opts.complete(); err != nil {
		t.Fatal(err)
	}
	c := &Client{routes: newRoutes(&opts)}
	list := c.routes.known()
	r := &request{slot: 7, keyed: true}
	choices := func(avoid *node) (picked [3]bool) {
		for range 200 {
			picked[slices.Index(list, c.choose(r, avoid, 0))] = true
		}
		return picked
	}
	for _, x := range []struct {
		what string
		do   func()
		want [3]bool
	}{
		{"nothing is known", func() {}, [3]bool{true, true, true}},
		{"the owner is known", func() { c.routes.setOwner(7, list[0]) }, [3]bool{true, false, false}},
		{"the owner failed", list[0].fail, [3]bool{false, true, true}},
		{"another one failed too", list[1].fail, [3]bool{false, false, true}},
		{"all failed", list[2].fail, [3]bool{true, true, true}},
		{"the owner works again", func() { list[0].failed.Store(0) }, [3]bool{true, false, false}},
	} {
		x.do()
		if got := choices(nil); got != x.want {
			t.Errorf("%s: picked %v, want %v", x.what, got, x.want)
		}
	}
	for i := range list {
		list[i].failed.Store(0)
	}
	if got := choices(list[0]); got != [3]bool{false, true, true} {
		t.Errorf("avoiding the owner: picked %v", got)
	}
	c.routes.unsetOwner(7, list[1]) // it is not the owner
	if c.routes.owner(7) != list[0] {
		t.Error("the owner was forgotten for another node's sake")
	}
	c.routes.unsetOwner(7, list[0])
	if c.routes.owner(7) != nil {
		t.Error("the owner was not forgotten")
	}
}
