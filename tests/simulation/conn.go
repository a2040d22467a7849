package simulation

import (
	"bytes"
	"io"
	"net"
	"os"
	"time"
)

// conn is one end of a connection. Its fields are guarded by the network's mu.
// Writing never blocks: what the other end has not read waits there.
type conn struct {
	net           *network
	local, remote string
	peer          *conn
	queue         []segment // on their way to this end
	last          time.Time // when the last of them arrives
	wake          chan struct{}
	closed        bool
	readDeadline  time.Time
}

// segment is what was written at once, or the end of the connection.
type segment struct {
	at    time.Time
	bytes []byte
	err   error
}

var _ net.Conn = (*conn)(nil)

func newConn(n *network, local, remote string) *conn {
	return &conn{net: n, local: local, remote: remote, wake: make(chan struct{}, 1)}
}

func (c *conn) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Read may be called by one goroutine at a time.
func (c *conn) Read(p []byte) (int, error) {
	for {
		n, wait, err := c.take(p)
		if n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
		if wait < 0 {
			<-c.wake
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-c.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// take returns what has arrived, or how long to wait before looking again: until
// woken if it is negative.
func (c *conn) take(p []byte) (n int, wait time.Duration, err error) {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	if c.closed {
		return 0, 0, net.ErrClosed
	}
	now := time.Now()
	wait = -1
	if len(c.queue) > 0 && c.net.passes(c.remote, c.local) {
		s := &c.queue[0]
		if !s.at.After(now) {
			if s.err != nil {
				return 0, 0, s.err
			}
			n = copy(p, s.bytes)
			if s.bytes = s.bytes[n:]; len(s.bytes) == 0 {
				c.queue = c.queue[1:]
			}
			return n, 0, nil
		}
		wait = s.at.Sub(now)
	}
	if !c.readDeadline.IsZero() {
		left := c.readDeadline.Sub(now)
		if left <= 0 {
			return 0, 0, os.ErrDeadlineExceeded
		}
		if wait < 0 || left < wait {
			wait = left
		}
	}
	return 0, wait, nil
}

func (c *conn) Write(p []byte) (int, error) {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	if c.closed {
		return 0, net.ErrClosed
	}
	if len(p) > 0 {
		c.send(segment{bytes: bytes.Clone(p)})
	}
	return len(p), nil
}

// send must be called with the network's mu held.
func (c *conn) send(s segment) {
	s.at = time.Now().Add(c.net.latency(c.local, c.remote))
	if s.at.Before(c.peer.last) {
		s.at = c.peer.last
	}
	c.peer.last = s.at
	c.peer.queue = append(c.peer.queue, s)
	c.peer.signal()
}

func (c *conn) Close() error {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	c.close(io.EOF)
	return nil
}

// close must be called with the network's mu held. The other end reads err last.
func (c *conn) close(err error) {
	if c.closed {
		return
	}
	c.closed = true
	delete(c.net.conns, c)
	c.send(segment{err: err})
	c.signal()
}

func (c *conn) LocalAddr() net.Addr  { return address(c.local) }
func (c *conn) RemoteAddr() net.Addr { return address(c.remote) }

func (c *conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

func (c *conn) SetReadDeadline(t time.Time) error {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	c.readDeadline = t
	c.signal()
	return nil
}

func (c *conn) SetWriteDeadline(time.Time) error { return nil }
