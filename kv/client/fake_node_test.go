package client

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"

	"raftkv/kv"
	"raftkv/kv/command"
	"raftkv/kv/resp"
	"raftkv/shard"
)

// fakeNode is one server of a fake cluster.
type fakeNode struct {
	fake     *fake
	name     string
	addr     string
	listener net.Listener
	running  sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool // true after READONLY
	dead  bool
}

// kill stops a node: its connections break and nothing listens any more.
func (n *fakeNode) kill() {
	n.listener.Close()
	n.mu.Lock()
	n.dead = true
	for nc := range n.conns {
		nc.Close()
	}
	n.mu.Unlock()
	n.running.Wait()
}

func (n *fakeNode) accept() {
	for {
		nc, err := n.listener.Accept()
		if err != nil {
			return
		}
		n.mu.Lock()
		if n.dead {
			nc.Close()
		} else {
			n.conns[nc] = false
			n.running.Go(func() { n.serve(nc) })
		}
		n.mu.Unlock()
	}
}

func (n *fakeNode) serve(nc net.Conn) {
	defer func() {
		n.mu.Lock()
		delete(n.conns, nc)
		n.mu.Unlock()
		nc.Close()
	}()
	in := bufio.NewReader(nc)
	authenticated := false
	for {
		request, err := resp.ReadReply(in)
		if err != nil {
			return
		}
		var args [][]byte
		for _, e := range request.Elems {
			args = append(args, e.Str)
		}
		var reply kv.Reply
		keep := true
		switch name := strings.ToUpper(string(args[0])); {
		case name == "AUTH":
			if authenticated = string(args[1]) == n.fake.password; authenticated {
				reply = kv.OK
			} else {
				reply = kv.ErrorReply("WRONGPASS invalid username-password pair or user is disabled.")
			}
		case n.fake.password != "" && !authenticated:
			reply = kv.ErrorReply("NOAUTH Authentication required.")
		case name == "READONLY":
			n.mu.Lock()
			n.conns[nc] = true
			n.mu.Unlock()
			reply = kv.OK
		case name == "CLUSTER":
			reply = n.cluster(strings.ToUpper(string(args[1])))
		default:
			n.mu.Lock()
			readonly := n.conns[nc]
			n.mu.Unlock()
			if reply, keep = n.data(args, readonly); reply.Kind == kv.Simple && string(reply.Str) == "hang" {
				in.ReadByte() // until the client leaves
				return
			}
		}
		if !keep {
			return
		}
		if _, err := nc.Write(resp.AppendReply(nil, &reply, 2)); err != nil {
			return
		}
	}
}

// data answers a command on data; keep says that the connection stays open.
func (n *fakeNode) data(args [][]byte, readonly bool) (reply kv.Reply, keep bool) {
	f := n.fake
	f.mu.Lock()
	defer f.mu.Unlock()
	inner, key := args, []byte(nil)
	if strings.EqualFold(string(args[0]), "RAFTKV.ONCE") {
		inner, _, _ = command.ParseOnce(args)
	}
	if len(inner) > 1 {
		key = inner[1]
	}
	words := make([]string, len(inner))
	for i := range inner {
		words[i] = string(inner[i])
	}
	f.log = append(f.log, n.name+" "+strings.Join(words, " "))

	slot := shard.Slot(key)
	write := command.Lookup(inner[0]).Write()
	if owner := f.owner(slot); owner != n && (write || !readonly) {
		return kv.Moved(slot, f.addr(owner)).Reply(), true
	}
	what := serve
	if f.onCommand != nil {
		what = f.onCommand(n, words)
	}
	switch what {
	case dropBefore:
		return reply, false
	case dropAfter:
		f.apply(args)
		return reply, false
	case doubtBefore:
		return kv.ErrUncertain.Reply(), true
	case doubtAfter:
		f.apply(args)
		return kv.ErrUncertain.Reply(), true
	case down:
		return kv.ErrNoLeader.Reply(), true
	case busy:
		return kv.ErrBusy.Reply(), true
	case noMemory:
		return kv.ErrOutOfMemory.Reply(), true
	case hang:
		return kv.SimpleReply("hang"), true
	case delay:
		f.late = append(f.late, args)
		return reply, false
	}
	return f.apply(args), true
}

// cluster answers CLUSTER SLOTS and CLUSTER NODES.
func (n *fakeNode) cluster(sub string) kv.Reply {
	f := n.fake
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hidden {
		return kv.ErrorReply("ERR This instance has cluster support disabled")
	}
	if sub == "NODES" {
		var b strings.Builder
		for _, node := range f.nodes {
			fmt.Fprintf(&b, "%040d %s@1 master - 0 0 1 connected\n", 0, node.addr)
		}
		return kv.BulkString(b.String())
	}
	out := kv.Reply{Kind: kv.Array}
	for from := 0; from < shard.Slots; {
		owner, to := f.owner(uint16(from)), from
		for to+1 < shard.Slots && f.owner(uint16(to+1)) == owner {
			to++
		}
		host, port, _ := net.SplitHostPort(f.addr(owner))
		out.Elems = append(out.Elems, kv.ArrayReply(kv.IntReply(int64(from)), kv.IntReply(int64(to)),
			kv.ArrayReply(kv.BulkString(host), kv.IntReply(number(port)), kv.BulkString(owner.name))))
		from = to + 1
	}
	return out
}

func (f *fake) addr(n *fakeNode) string {
	if f.noHost {
		_, port, _ := net.SplitHostPort(n.addr)
		return ":" + port
	}
	return n.addr
}

func number(s string) (n int64) {
	fmt.Sscan(s, &n)
	return n
}
