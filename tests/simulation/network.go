package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"time"

	"raftkv/kv/transport"
)

// network carries bytes between hosts as TCP does: in order, late, or not at all.
// A link that is cut loses nothing: what was sent waits, and arrives when the cut
// is mended or dies with its connection.
type network struct {
	mu      sync.Mutex
	rnd     *rand.Rand
	hosts   map[string]*host // by address
	links   map[link]*linkState
	changed chan struct{} // closed and replaced when a link or a host changes
	conns   map[*conn]struct{}
}

// link is one direction between two hosts.
type link struct{ from, to string }

type linkState struct {
	cut   int           // by how many faults
	delay time.Duration // beside the usual
}

// host is a node's place in the network. It keeps its address when its process
// ends.
type host struct {
	net      *network
	addr     string
	paused   int // by how many faults: it neither sends nor receives
	lives    int // how many processes have ended there
	listener *listener
}

// port is a process's hold of its host's network: none when the process has ended.
type port struct {
	*host
	life int
}

var _ transport.Network = port{}

// errNoProcess is for what a process that has ended would still do.
var errNoProcess = errors.New("the process has ended")

// port gives a process the network.
func (h *host) port() port {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	return port{h, h.lives}
}

func newNetwork(rnd *rand.Rand) *network {
	return &network{
		rnd: rnd, hosts: make(map[string]*host), links: make(map[link]*linkState),
		changed: make(chan struct{}), conns: make(map[*conn]struct{}),
	}
}

func (n *network) host(addr string) *host {
	h := &host{net: n, addr: addr}
	n.hosts[addr] = h
	return h
}

// link must be called with mu held.
func (n *network) link(from, to string) *linkState {
	l := n.links[link{from, to}]
	if l == nil {
		l = new(linkState)
		n.links[link{from, to}] = l
	}
	return l
}

// passes tells whether bytes arrive now. It must be called with mu held.
func (n *network) passes(from, to string) bool {
	return n.link(from, to).cut == 0 && n.hosts[from].paused == 0 && n.hosts[to].paused == 0
}

// latency of the next bytes. It must be called with mu held.
func (n *network) latency(from, to string) time.Duration {
	usual := time.Duration(100+n.rnd.IntN(900)) * time.Microsecond
	if d := n.link(from, to).delay; d > 0 {
		return usual + d/2 + time.Duration(n.rnd.Int64N(int64(d)))
	}
	return usual
}

// change applies a fault or mends it, and wakes all who wait for bytes.
func (n *network) change(fn func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fn()
	close(n.changed)
	n.changed = make(chan struct{})
	for c := range n.conns {
		c.signal()
	}
}

// cut stops a direction until the function that it returns is called.
func (n *network) cut(from, to string) (mend func()) {
	n.change(func() { n.link(from, to).cut++ })
	return func() { n.change(func() { n.link(from, to).cut-- }) }
}

// slow delays a direction by up to 1.5 times d.
func (n *network) slow(from, to string, d time.Duration) (mend func()) {
	n.change(func() { n.link(from, to).delay += d })
	return func() { n.change(func() { n.link(from, to).delay -= d }) }
}

// pause holds back all that h sends and gets.
func (n *network) pause(h *host) (resume func()) {
	n.change(func() { h.paused++ })
	return func() { n.change(func() { h.paused-- }) }
}

// reset breaks the connections between two hosts, as lost packets do in the end.
func (n *network) reset(a, b string) {
	n.change(func() {
		for c := range n.conns {
			if c.local == a && c.remote == b || c.local == b && c.remote == a {
				c.queue = append(c.queue, segment{err: syscall.ECONNRESET})
			}
		}
	})
}

// down ends all connections of a host whose process has ended. The other sides
// learn it when packets pass again.
func (n *network) down(h *host) {
	n.change(func() {
		h.lives++
		if h.listener != nil {
			h.listener.close()
		}
		for c := range n.conns {
			if c.local == h.addr {
				c.close(syscall.ECONNRESET)
			}
		}
	})
}

// Listen opens the host's port.
func (h port) Listen(string) (net.Listener, error) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	if h.life != h.lives {
		return nil, errNoProcess
	}
	h.listener = &listener{host: h.host, incoming: make(chan net.Conn, 1024), done: make(chan struct{})}
	return h.listener, nil
}

// Dial connects to another host.
func (h port) Dial(ctx context.Context, addr string) (net.Conn, error) {
	n := h.net
	n.mu.Lock()
	wait := n.latency(h.addr, addr) + n.latency(addr, h.addr)
	n.mu.Unlock()
	if err := sleep(ctx, wait); err != nil {
		return nil, err
	}
	for {
		n.mu.Lock()
		if n.passes(h.addr, addr) && n.passes(addr, h.addr) {
			defer n.mu.Unlock()
			return h.connect(addr)
		}
		changed := n.changed
		n.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("dial %s: %w", addr, ctx.Err())
		}
	}
}

// connect must be called with the network's mu held.
func (h port) connect(addr string) (net.Conn, error) {
	if h.life != h.lives {
		return nil, errNoProcess
	}
	l := h.net.hosts[addr].listener
	if l == nil || l.closed {
		return nil, fmt.Errorf("dial %s: %w", addr, syscall.ECONNREFUSED)
	}
	near, far := newConn(h.net, h.addr, addr), newConn(h.net, addr, h.addr)
	near.peer, far.peer = far, near
	select {
	case l.incoming <- far:
	default:
		return nil, fmt.Errorf("dial %s: %w", addr, syscall.ECONNREFUSED)
	}
	h.net.conns[near], h.net.conns[far] = struct{}{}, struct{}{}
	return near, nil
}

// listener gives a host's transport the connections that others dial.
type listener struct {
	host     *host
	incoming chan net.Conn
	done     chan struct{}
	closed   bool // guarded by the network's mu
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.incoming:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.host.net.mu.Lock()
	defer l.host.net.mu.Unlock()
	l.close()
	return nil
}

// close must be called with the network's mu held.
func (l *listener) close() {
	if !l.closed {
		l.closed = true
		close(l.done)
	}
}

func (l *listener) Addr() net.Addr { return address(l.host.addr) }

type address string

func (address) Network() string  { return "sim" }
func (a address) String() string { return string(a) }

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
