package client

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"raftkv/kv"
	"raftkv/kv/command"
	"raftkv/kv/store"
	"raftkv/shard"
)

// fake is a cluster in this process: nodes that share one state, as if they
// replicated it, and that misbehave as a test asks for. Commands are executed by
// the real command table, and sessions as the real state machine keeps them.
type fake struct {
	t    *testing.T
	done chan struct{} // closed at the test's end

	mu       sync.Mutex
	nodes    []*fakeNode
	store    *store.Store
	sessions map[string]fakeSession // by slot and client id
	owner    func(slot uint16) *fakeNode
	hidden   bool // CLUSTER SLOTS and NODES fail: clients learn from MOVED alone
	noHost   bool // MOVED and CLUSTER SLOTS leave the host out
	password string
	// onCommand says what happens to a data command; args are those of the inner
	// command if it came in RAFTKV.ONCE. It is called with mu held.
	onCommand func(n *fakeNode, args []string) action
	late      [][][]byte // commands that are still on their way
	log       []string   // "node command" of every data command that came
}

type fakeSession struct {
	seq   uint64
	reply kv.Reply
}

// action is what a node does with a command.
type action int

const (
	serve       action = iota
	dropBefore         // close the connection, do nothing
	dropAfter          // execute, then close the connection
	doubtBefore        // answer UNCERTAIN, do nothing
	doubtAfter         // execute, answer UNCERTAIN
	down               // answer CLUSTERDOWN
	busy               // answer BUSY
	noMemory           // answer OOM
	hang               // never answer
	delay              // close the connection; the command arrives later
)

// newFake starts a cluster of n nodes whose first one serves all slots.
func newFake(t *testing.T, n int) *fake {
	t.Helper()
	f := &fake{t: t, done: make(chan struct{}), store: store.New(), sessions: make(map[string]fakeSession)}
	for i := range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		node := &fakeNode{fake: f, name: fmt.Sprint("n", i), addr: listener.Addr().String(), listener: listener, conns: make(map[net.Conn]bool)}
		f.nodes = append(f.nodes, node)
		node.running.Go(node.accept)
	}
	f.owner = func(uint16) *fakeNode { return f.nodes[0] }
	t.Cleanup(func() {
		close(f.done)
		for _, node := range f.nodes {
			node.kill()
		}
	})
	return f
}

// client returns a client of the nodes at the given positions, or of all.
func (f *fake) client(opts Options, seeds ...int) *Client {
	f.t.Helper()
	for i, n := range f.nodes {
		if len(seeds) == 0 || slices.Contains(seeds, i) {
			opts.Addrs = append(opts.Addrs, n.addr)
		}
	}
	c, err := New(opts)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { c.Close() })
	return c
}

// set changes the cluster while it runs.
func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// script makes the first commands meet these actions; later ones are served.
func (f *fake) script(actions ...action) {
	f.set(func() {
		f.onCommand = func(*fakeNode, []string) action {
			if len(actions) == 0 {
				return serve
			}
			next := actions[0]
			actions = actions[1:]
			return next
		}
	})
}

func (f *fake) value(key string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	item, _ := f.store.Get([]byte(key))
	return string(item.Value)
}

// commands returns the data commands that came, as "node command", and forgets them.
func (f *fake) commands() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	log := f.log
	f.log = nil
	return log
}

// deliverLate executes the commands that are still on their way.
func (f *fake) deliverLate() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, args := range f.late {
		f.apply(args)
	}
	f.late = nil
}

// apply executes a command as the state machine does: what has a session, once.
func (f *fake) apply(args [][]byte) kv.Reply {
	if !strings.EqualFold(string(args[0]), "RAFTKV.ONCE") {
		return command.Lookup(args[0]).Exec(&command.Ctx{Store: f.store, MaxValue: 1 << 20}, args)
	}
	inner, seq, err := command.ParseOnce(args)
	if err != "" {
		return err.Reply()
	}
	id := fmt.Sprint(shard.Slot(args[1]), " ", string(args[2]))
	if last, had := f.sessions[id]; had && seq == last.seq {
		return last.reply
	} else if had && seq < last.seq {
		return kv.ErrorReply(fmt.Sprintf("SEQOUTDATED sequence number %d is older than %d", seq, last.seq))
	}
	reply := f.apply(inner)
	f.sessions[id] = fakeSession{seq, reply}
	return reply
}
