package fault

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// maxQueued is how many bytes a connection holds before Write blocks, as the
	// kernel's buffer does when nothing is acknowledged.
	maxQueued = 4 << 20
	// sendTimeout bounds the writing of what was held.
	sendTimeout = 10 * time.Second
	// lookAgain is how often it is looked whether what is held may go.
	lookAgain = 5 * time.Millisecond
)

// errInjected is the error of what a fault makes fail.
var errInjected = errors.New("injected fault")

// conn is a connection to another node on which faults are injected: where it is
// written to, so that each direction has its own.
//
// What is held or late waits in a queue, and a goroutine sends it in order; so a cut
// that ends lets through what was sent meanwhile, as TCP does, and a request of long
// ago may arrive.
type conn struct {
	net.Conn
	set  *Set
	node func() string // at the other end, "" as long as nobody knows

	busy atomic.Bool // the queue is not empty, or its last message is on its way; set under mu

	mu       sync.Mutex
	queue    []message
	queued   int // bytes
	closing  bool
	err      error     // of the goroutine that sends
	deadline time.Time // of Write
	changed  chan struct{}
}

type message struct {
	due  time.Time
	data []byte
}

// Wrap returns nc with this node's faults of links on what is written to it. node
// tells who is at the other end.
func (s *Set) Wrap(nc net.Conn, node func() string) net.Conn {
	c := &conn{Conn: nc, set: s, node: node, changed: make(chan struct{}, 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = struct{}{}
	return c
}

// Write writes one message. While no fault is active it costs two atomic loads.
func (c *conn) Write(b []byte) (int, error) {
	if c.set.links.Load() == nil && !c.busy.Load() {
		return c.Conn.Write(b)
	}
	now := time.Now()
	v := c.set.judge(c.node(), len(b), now)
	if v.reset {
		c.reset()
		return 0, fmt.Errorf("%w: %w", errInjected, syscall.ECONNRESET)
	}
	if v.flip >= 0 {
		b = bytes.Clone(b)
		b[v.flip/8] ^= 1 << (v.flip % 8)
	}
	if err := c.enqueue(v, b); err != errDirect {
		return len(b), err
	}
	return c.Conn.Write(b)
}

// errDirect says that nothing waits and a message may be sent at once.
var errDirect = errors.New("send it")

// enqueue puts a message into the queue if it must wait, or others do.
func (c *conn) enqueue(v verdict, b []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case c.err != nil:
			return c.err
		case c.closing:
			return net.ErrClosed
		case !c.busy.Load() && !v.held && v.due.IsZero():
			return errDirect
		case c.queued == 0 || c.queued+len(b) <= maxQueued:
			if !c.busy.Load() && !c.set.begin(c.send) {
				return net.ErrClosed
			}
			c.busy.Store(true)
			c.queue = append(c.queue, message{v.due, bytes.Clone(b)})
			c.queued += len(b)
			return nil
		}
		if err := c.await(); err != nil {
			return err
		}
	}
}

// await waits until the queue has become shorter. mu is held.
func (c *conn) await() error {
	var expired <-chan time.Time
	if !c.deadline.IsZero() {
		timer := time.NewTimer(time.Until(c.deadline))
		defer timer.Stop()
		expired = timer.C
	}
	c.mu.Unlock()
	defer c.mu.Lock()
	select {
	case <-c.changed:
		return nil
	case <-expired:
		return os.ErrDeadlineExceeded
	}
}

// send sends what is queued until nothing is.
func (c *conn) send() {
	for {
		c.mu.Lock()
		if len(c.queue) == 0 || c.err != nil {
			c.busy.Store(false)
			if c.closing {
				c.Conn.Close()
			}
			c.mu.Unlock()
			c.signal()
			return
		}
		next := c.queue[0]
		c.mu.Unlock()
		err := c.wait(next.due)
		if err == nil {
			c.Conn.SetWriteDeadline(time.Now().Add(sendTimeout))
			_, err = c.Conn.Write(next.data)
		}
		if err != nil {
			c.Conn.Close() // the reader notices
		}
		c.mu.Lock()
		c.err = err
		c.queue = c.queue[1:]
		c.queued -= len(next.data)
		c.mu.Unlock()
		c.signal()
	}
}

func (c *conn) signal() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// wait waits until a message may go. It fails if that is never: what is held when
// its connection is closed is lost.
func (c *conn) wait(due time.Time) error {
	for {
		now := time.Now()
		held := c.set.holds(c.node(), now)
		c.mu.Lock()
		closing := c.closing
		c.mu.Unlock()
		left := due.Sub(now)
		switch {
		case held && closing, c.set.ctx.Err() != nil:
			return net.ErrClosed
		case held:
			left = lookAgain
		case left <= 0 || c.set.links.Load() == nil: // healed: what is late goes at once
			return nil
		case closing || left > lookAgain:
			left = min(left, lookAgain)
		}
		select {
		case <-time.After(left):
		case <-c.set.ctx.Done():
		}
	}
}

// SetDeadline sets the deadlines of Read and Write.
func (c *conn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	c.deadline = t
	c.mu.Unlock()
	return c.Conn.SetDeadline(t)
}

// SetWriteDeadline sets Write's.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	c.deadline = t
	c.mu.Unlock()
	return c.Conn.SetWriteDeadline(t)
}

// Close closes the connection, once what is late and not held has gone out: as when
// TCP sends what lies in its buffer. Reads end at once.
func (c *conn) Close() error {
	c.forget()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closing = true
	c.signal()
	if c.busy.Load() {
		return c.Conn.SetReadDeadline(time.Unix(1, 0))
	}
	return c.Conn.Close()
}

// reset breaks the connection, so that the other end gets an error.
func (c *conn) reset() {
	c.forget()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closing = true
	c.signal()
	if tcp, ok := c.Conn.(interface{ SetLinger(sec int) error }); ok {
		tcp.SetLinger(0)
	}
	c.Conn.Close()
}

func (c *conn) forget() {
	c.set.mu.Lock()
	defer c.set.mu.Unlock()
	delete(c.set.conns, c)
}

var _ net.Conn = (*conn)(nil)
