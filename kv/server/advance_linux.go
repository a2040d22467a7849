package server

import (
	"errors"
	"io"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"raftkv/kv/rawio"
)

// looped is what a connection has that is served by a loop.
type looped struct {
	loop     *loop
	socket   *socket
	written  func() // a proposal has come back
	state    atomic.Int32
	ended    atomic.Bool // the other side sends no more, or all is broken
	more     bool        // the socket may hold more than was read
	came     time.Time   // when it last joined readers
	answered time.Time   // when readers last answered it
}

// States of a connection. Whoever makes an idle one busy runs its turn, and nobody else
// touches it until it is idle again.
const (
	idle int32 = iota
	busy
	again // busy, and something has come meanwhile
)

// maxInline is how many turns a connection has before others come.
const maxInline = 8

// wake makes the caller the one who runs c's turn, or tells that one that something has
// come.
func (c *conn) wake() bool {
	for {
		if c.loop.state.CompareAndSwap(idle, busy) {
			return true
		}
		if c.loop.state.CompareAndSwap(busy, again) || c.loop.state.Load() == again {
			return false
		}
	}
}

// rest ends the caller's time with c. False: something has come, and it goes on.
func (c *conn) rest() bool {
	if !c.loop.state.CompareAndSwap(busy, idle) {
		c.loop.state.Store(busy)
		c.loop.more = true
		return false
	}
	if c.server.ctx.Err() != nil {
		c.leave() // it may have been called while c was busy
	}
	return true
}

// leave closes c if nobody runs its turn; else that one closes it. False: no loop
// serves c. The server must be closing.
func (c *conn) leave() bool {
	if c.loop.loop == nil {
		return false
	}
	if c.loop.state.CompareAndSwap(idle, busy) {
		c.end()
	}
	return true
}

// end closes the connection. Only who runs the turn may call it.
func (c *conn) end() {
	c.loop.loop.forget(c)
	c.server.forget(c)
	c.loop.socket.release()
	c.server.wait.Done()
}

// advance runs turns as far as that is possible without waiting. When it returns, c is
// somebody else's.
func (c *conn) advance(p *pass) {
	for range maxInline {
		if c.server.ctx.Err() != nil {
			c.end()
			return
		}
		if c.from == len(c.in) || !c.hasCommand() {
			if !c.loop.more && !c.loop.ended.Load() && c.rest() {
				return
			}
			if err := c.receive(); err != nil {
				c.end()
				return
			}
		}
		c.begin(p.now)
		err := c.execute()
		switch {
		case err != nil && c.turn.pending(), errors.Is(err, errMustWait):
			c.goOn(c.finishTurn)
			return
		case err != nil:
			c.violated(err)
		case c.turn.pending():
			p.add(c)
			return
		}
		if !c.deliver() {
			return
		}
	}
	c.goOn(func() bool { return true })
}

// receive reads what is in the socket, as far as the buffer has room.
func (c *conn) receive() error { return c.received(rawio.Receive(c.loop.socket.fd, c.room())) }

// room makes and returns the room for what is received next.
func (c *conn) room() []byte {
	c.makeRoom()
	return c.in[len(c.in):cap(c.in)]
}

// received takes what was read from the socket into room.
func (c *conn) received(n int, errno unix.Errno) error {
	c.loop.more = n == cap(c.in)-len(c.in)
	c.in = c.in[:len(c.in)+n]
	c.server.Stats.BytesIn.Add(uint64(n))
	switch {
	case errno == unix.EAGAIN:
		c.loop.ended.Store(false) // an event that was no end, or the end tells again
		return nil
	case errno != 0:
		return os.NewSyscallError("read", errno)
	case n == 0:
		return io.EOF
	}
	return nil
}

// deliver sends the replies. False: c is somebody else's now, or has ended.
func (c *conn) deliver() bool { return c.delivered(rawio.Send(c.loop.socket.fd, c.out)) }

// delivered is deliver after so much has been sent.
func (c *conn) delivered(n int, errno unix.Errno) bool {
	if errno == unix.EAGAIN {
		c.server.Stats.BytesOut.Add(uint64(n))
		c.out = c.out[:copy(c.out, c.out[n:])]
		c.goOn(func() bool { return c.flush() == nil && !c.ending() })
		return false
	}
	c.sent(n)
	if errno != 0 || c.ending() {
		c.end()
		return false
	}
	return true
}

// goOn has a goroutine do what may have to wait; then it goes on without waiting,
// unless that has returned false.
func (c *conn) goOn(work func() bool) {
	c.server.wait.Go(func() {
		c.inline = false
		ok := work()
		c.inline = true
		if !ok {
			c.end()
			return
		}
		p := &pass{loop: c.loop.loop}
		p.begin()
		c.advance(p)
		p.end()
	})
}
