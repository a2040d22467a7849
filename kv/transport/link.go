package transport

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"raftkv/kv/rawio"
)

// Timeouts. None of them is part of raft's: they only end what is lost.
const (
	dialTimeout  = time.Second
	writeTimeout = 10 * time.Second
	// urgentTimeout bounds heartbeats and votes.
	urgentTimeout = 2 * time.Second
	// transferTimeout bounds the message that hands leadership over. The group stands
	// still meanwhile, so it is little more than a busy follower takes.
	transferTimeout = 500 * time.Millisecond
	// bulkTimeout bounds an append: a follower may have to write 32 MiB.
	bulkTimeout = 20 * time.Second
	// unconfirmed is how long what was sent may not have reached the other host before
	// its connection is given up. A host whose process hangs confirms all the same.
	unconfirmed = 2 * time.Second
	// redial is how long a failed dial stands for those who come next.
	redial = 50 * time.Millisecond
)

// peer is another node, by its address.
type peer struct {
	urgent  *link // heartbeats, votes, calls
	bulk    *link // entries
	control *link // what must get through whatever fault is injected
}

// link is a connection that is dialed when it is needed.
type link struct {
	t       *Transport
	addr    string
	control bool // no fault is injected

	mu     sync.Mutex
	conn   *clientConn
	dialed chan struct{} // closed when the dial that is under way has ended; nil if none is
	err    error         // of the last dial
	failed time.Time
	closed bool
}

func newPeer(t *Transport, addr string) *peer {
	return &peer{
		urgent:  &link{t: t, addr: addr},
		bulk:    &link{t: t, addr: addr},
		control: &link{t: t, addr: addr, control: true},
	}
}

func (p *peer) close() {
	p.urgent.close()
	p.bulk.close()
	p.control.close()
}

// live returns a live connection, or begins to dial and returns nil.
func (l *link) live() *clientConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil && l.conn.alive() {
		return l.conn
	}
	if !l.closed && l.t.ctx.Err() == nil && l.dialed == nil && time.Since(l.failed) >= redial {
		l.dialed = make(chan struct{})
		l.t.wait.Go(l.dial)
	}
	return nil
}

// get returns a live connection. All who wait share one dial. A dial that has failed
// stands for a moment for those who come next, but for control: that must get through to
// a node which starts just now.
func (l *link) get(ctx context.Context) (*clientConn, error) {
	for tried := false; ; tried = true {
		l.mu.Lock()
		switch {
		case l.closed || l.t.ctx.Err() != nil:
			l.mu.Unlock()
			return nil, errTransportClosed
		case l.conn != nil && l.conn.alive():
			defer l.mu.Unlock()
			return l.conn, nil
		case l.err != nil && time.Since(l.failed) < redial && (tried || !l.control):
			defer l.mu.Unlock()
			return nil, l.err
		}
		if l.dialed == nil {
			l.dialed = make(chan struct{})
			l.t.wait.Go(l.dial)
		}
		dialed := l.dialed
		l.mu.Unlock()
		select {
		case <-dialed:
		case <-ctx.Done():
			return nil, fmt.Errorf("%s: %w", l.addr, ctx.Err())
		}
	}
}

// wait returns a live connection, and dials for as long as it takes.
func (l *link) wait(ctx context.Context) (*clientConn, error) {
	for {
		c, err := l.get(ctx)
		if err == nil || ctx.Err() != nil || errors.Is(err, errTransportClosed) {
			return c, err
		}
		select {
		case <-time.After(redial):
		case <-ctx.Done():
			return nil, err
		}
	}
}

func (l *link) dial() {
	nc, err := l.t.dial(l.addr, l.control, unconfirmed)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil && l.closed {
		nc.Close()
		err = errTransportClosed
	}
	if err == nil {
		l.conn = newClientConn(l.t, nc)
		l.t.wait.Go(l.conn.read)
	}
	l.err, l.failed = err, time.Now()
	close(l.dialed)
	l.dialed = nil
}

// dial connects to a node and says who is there. The connection ends when nothing
// that was sent has arrived, or the other side has taken nothing, for limit.
func (t *Transport) dial(addr string, control bool, limit time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(t.ctx, dialTimeout)
	defer cancel()
	nc, err := t.opts.Network.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	limitUnconfirmed(nc, limit)
	nc = rawio.Conn(nc)
	if t.opts.Wrap != nil && !control {
		nc = t.opts.Wrap(nc, func() string { return t.opts.NodeAt(addr) })
	}
	if err := t.greet(nc, control); err != nil {
		nc.Close()
		return nil, fmt.Errorf("%s: %w", addr, err)
	}
	return nc, nil
}

func (t *Transport) greet(nc net.Conn, control bool) error {
	stop := context.AfterFunc(t.ctx, func() { nc.Close() })
	defer stop()
	nc.SetDeadline(time.Now().Add(dialTimeout))
	if _, err := nc.Write(hello{control: control, cluster: t.opts.Cluster(), node: t.opts.Node}.append(nil)); err != nil {
		return err
	}
	// Nothing may be read beyond the answer: it would be lost with the reader. And
	// nothing comes before a request.
	f, err := readFrame(bufio.NewReaderSize(nc, frameHeader))
	if err == nil {
		_, err = f.result()
	}
	if err != nil {
		return err
	}
	return nc.SetDeadline(time.Time{})
}

// complain says so if bytes have changed on their way.
func (t *Transport) complain(nc net.Conn, err error) {
	if errors.Is(err, ErrCorrupt) {
		t.opts.Logger.Warn("a connection between nodes is closed, and what was under way on it is sent again or reported as failed",
			"topic", "server", "peer", nc.RemoteAddr().String(), "error", err)
	}
}

func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.conn != nil {
		l.conn.close(errTransportClosed)
	}
}

// clientConn sends requests and matches the answers, in whatever order they come.
type clientConn struct {
	t  *Transport
	nc net.Conn

	writeMu  sync.Mutex
	buf      []byte
	deadline writeDeadline

	mu      sync.Mutex
	pending map[uint64]*exchange
	err     error // why it is closed
}

// writeDeadline is when a connection's writes end that the other side does not take.
// It is put off once a second and not for each message, so a write may take
// writeTimeout or up to a second less.
type writeDeadline struct{ at time.Time }

// extend is called before each write, by one goroutine at a time.
func (d *writeDeadline) extend(nc net.Conn) {
	now := time.Now()
	if d.at.Sub(now) < writeTimeout-time.Second {
		d.at = now.Add(writeTimeout)
		nc.SetWriteDeadline(d.at)
	}
}

// exchange is a request and, once done is closed, its answer.
type exchange struct {
	conn    *clientConn
	id      uint64
	done    chan struct{}
	payload []byte
	err     error
	// answered, if set, is called instead of closing done, by the goroutine that
	// reads the connection: it must not block.
	answered func(payload []byte, err error)
	// sending, if set, is called before the request leaves.
	sending func(number uint64)
}

// finish hands over the answer.
func (x *exchange) finish(payload []byte, err error) {
	if x.answered != nil {
		x.answered(payload, err)
		return
	}
	x.payload, x.err = payload, err
	close(x.done)
}

func newClientConn(t *Transport, nc net.Conn) *clientConn {
	return &clientConn{t: t, nc: nc, pending: make(map[uint64]*exchange)}
}

func (c *clientConn) alive() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err == nil
}

// send sends a request. The answer comes through the exchange.
func (c *clientConn) send(m method, group uint32, build func([]byte) []byte) (*exchange, error) {
	x := &exchange{conn: c, done: make(chan struct{})}
	return x, c.start(x, m, group, build)
}

// start sends x's request.
func (c *clientConn) start(x *exchange, m method, group uint32, build func([]byte) []byte) error {
	c.mu.Lock()
	if c.err != nil {
		defer c.mu.Unlock()
		return c.err
	}
	x.id = c.t.numbers.Add(1)
	c.pending[x.id] = x
	c.mu.Unlock()
	if x.sending != nil {
		x.sending(x.id)
	}

	c.writeMu.Lock()
	defer c.writeMu.Unlock()
	c.buf = appendFrame(c.buf[:0], frame{kind: request, method: m, group: group, id: x.id}, build)
	c.deadline.extend(c.nc)
	_, err := c.nc.Write(c.buf)
	if cap(c.buf) > 1<<20 {
		c.buf = nil
	}
	if err != nil {
		c.close(err)
	}
	return err
}

// wait waits for the answer. If ctx ends first, a late answer is dropped.
func (x *exchange) wait(ctx context.Context) ([]byte, error) {
	select {
	case <-x.done:
		return x.payload, x.err
	case <-ctx.Done():
		x.conn.mu.Lock()
		delete(x.conn.pending, x.id)
		x.conn.mu.Unlock()
		return nil, fmt.Errorf("%s: %w", x.conn.nc.RemoteAddr(), ctx.Err())
	}
}

// read takes answers until the connection ends.
func (c *clientConn) read() {
	r := bufio.NewReaderSize(c.nc, 16<<10)
	for {
		f, err := readFrame(r)
		if err != nil {
			c.t.complain(c.nc, err)
			c.close(err)
			return
		}
		c.mu.Lock()
		x := c.pending[f.id]
		delete(c.pending, f.id)
		c.mu.Unlock()
		if x != nil {
			x.finish(f.result())
		}
	}
}

// close fails all that is under way.
func (c *clientConn) close(err error) {
	c.nc.Close()
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = fmt.Errorf("connection to %s: %w", c.nc.RemoteAddr(), err)
	pending := c.pending
	c.pending = make(map[uint64]*exchange)
	c.mu.Unlock()
	for _, x := range pending {
		x.finish(nil, c.err)
	}
}
