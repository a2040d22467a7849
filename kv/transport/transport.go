// Package transport carries all traffic between nodes over one TCP port: the
// messages of all raft groups, snapshots, and calls between nodes. It differs
// from hashicorp/raft's NetworkTransport in what it knows: when each
// AppendEntries that was answered had been sent, which is what linearizable
// reads are confirmed by, and whom a message is for, so that a replica never
// answers in the name of its lost predecessor at the same address.
//
// Between two nodes there are two connections in each direction: one for
// entries, and one for all that must not wait behind them (heartbeats, votes,
// calls). A snapshot gets a connection of its own, and so do orders about faults.
package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/kv/eventlog"
	"raftkv/kv/pulse"
)

// Handler answers a call of another node. An error that is a kv.ReplyError
// arrives as one.
type Handler func(ctx context.Context, method uint8, payload []byte) ([]byte, error)

// Options configure a node's transport.
type Options struct {
	// Addr is where to listen, and what other nodes dial.
	Addr string
	// Node is this node's id, for the other side's messages.
	Node string
	// Cluster returns the id of this node's cluster, or "" if it has none yet.
	// Nodes of different clusters refuse each other.
	Cluster func() string
	Handle  Handler
	// Network is what the transport listens and dials on. Nil: TCP.
	Network Network
	// Pulse is what heartbeats leave at. Nil: a portable one.
	Pulse  *pulse.Pulse
	Logger *slog.Logger
	Trace  *eventlog.Tracer // nil: no trace

	// Wrap, if set, is where faults are injected: it stands around each connection
	// but those for Control. node tells who is at the other end, "" if that is not
	// known yet. A call of Write has whole frames or a part of a snapshot.
	Wrap func(nc net.Conn, node func() string) net.Conn
	// NodeAt tells, for Wrap, which node has a peer address, or "".
	NodeAt func(addr string) string
}

// Transport is a node's end of the network. Its methods may be called from any
// goroutine.
type Transport struct {
	opts     Options
	listener net.Listener
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	wait     sync.WaitGroup
	beats    *beats
	// numbers counts requests from when the process began, in microseconds since
	// 1970: so no two of this node's have the same number, and a trace can tell
	// which message arrived.
	numbers atomic.Uint64

	mu     sync.Mutex
	groups map[uint32]*Group
	peers  map[string]*peer
	served map[net.Conn]struct{}
	closed bool
}

// errTransportClosed is the error of everything after Close.
var errTransportClosed = errors.New("the transport is closed")

// Listen opens the port and serves it until Close.
func Listen(opts Options) (*Transport, error) {
	if opts.Network == nil {
		opts.Network = tcp{}
	}
	if opts.Pulse == nil {
		opts.Pulse = pulse.Portable()
	}
	l, err := opts.Network.Listen(opts.Addr)
	if err != nil {
		return nil, fmt.Errorf("peer address: %w", err)
	}
	t := &Transport{
		opts:     opts,
		listener: l,
		groups:   make(map[uint32]*Group),
		peers:    make(map[string]*peer),
		served:   make(map[net.Conn]struct{}),
		beats:    newBeats(opts.Pulse),
	}
	t.numbers.Store(uint64(time.Now().UnixMicro()))
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.wait.Go(t.accept)
	t.wait.Go(func() { t.beats.run(t.ctx) })
	return t, nil
}

// Addr returns the address that the transport listens on.
func (t *Transport) Addr() string { return t.listener.Addr().String() }

func (t *Transport) accept() {
	for {
		nc, err := t.listener.Accept()
		if err != nil {
			if t.ctx.Err() != nil {
				return
			}
			t.opts.Logger.Warn("a peer could not be accepted", "topic", "node", "error", err)
			select {
			case <-time.After(50 * time.Millisecond):
			case <-t.ctx.Done():
			}
			continue
		}
		t.mu.Lock()
		if t.closed {
			t.mu.Unlock()
			nc.Close()
			return
		}
		t.served[nc] = struct{}{}
		t.wait.Go(func() {
			defer t.forget(nc)
			t.serve(nc)
		})
		t.mu.Unlock()
	}
}

func (t *Transport) forget(nc net.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.served, nc)
}

// Group returns the transport of this node's replica of a group. It takes
// messages from now on; one that was made before for the group is closed. Close
// it if no raft comes to consume the messages: they would hold up others behind
// them.
func (t *Transport) Group(id uint32, replica raft.ServerID) *Group {
	g := newGroup(t, id, replica)
	t.mu.Lock()
	defer t.mu.Unlock()
	if before := t.groups[id]; before != nil {
		before.cancel()
	}
	t.groups[id] = g
	return g
}

func (t *Transport) group(id uint32) *Group {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.groups[id]
}

func (t *Transport) removeGroup(g *Group) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.groups[g.id] == g {
		delete(t.groups, g.id)
	}
}

// Call asks the node at addr and waits for its answer until ctx ends. After that
// nothing is sent any more. An error of the other node is of type RemoteError or
// kv.ReplyError.
func (t *Transport) Call(ctx context.Context, addr string, method uint8, payload []byte) ([]byte, error) {
	return call(ctx, t.peer(addr).urgent, method, payload)
}

// Control is Call on a connection on which no fault is injected. It is for
// injecting and healing faults: an order to mend a link must not need that link.
func (t *Transport) Control(ctx context.Context, addr string, method uint8, payload []byte) ([]byte, error) {
	return call(ctx, t.peer(addr).control, method, payload)
}

func call(ctx context.Context, link *link, method uint8, payload []byte) ([]byte, error) {
	c, err := link.get(ctx)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	request, err := c.send(methodCall, uint32(method), func(dst []byte) []byte { return append(dst, payload...) })
	if err != nil {
		return nil, err
	}
	return request.wait(ctx)
}

func (t *Transport) peer(addr string) *peer {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.peers[addr]
	if p == nil {
		p = newPeer(t, addr)
		t.peers[addr] = p
	}
	return p
}

// Close ends all connections and waits for what serves them.
func (t *Transport) Close() error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil
	}
	t.closed = true
	t.cancel()
	err := t.listener.Close()
	for nc := range t.served {
		nc.Close()
	}
	peers, groups := t.peers, t.groups
	t.peers, t.groups = make(map[string]*peer), make(map[uint32]*Group)
	t.mu.Unlock()
	for _, g := range groups {
		g.Close()
	}
	for _, p := range peers {
		p.close()
	}
	t.wait.Wait()
	return err
}
