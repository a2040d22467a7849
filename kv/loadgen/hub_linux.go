package loadgen

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"raftkv/kv/rawio"
)

// hub sends the requests of many clients and receives the answers, many with one system
// call. Where servers share the processors with their load, what the load takes is
// missing there. Its methods may be called from any goroutine.
type hub struct {
	poller  *rawio.Poller
	sockets *rawio.Exchanger
	done    chan struct{} // run has ended
	away    atomic.Int32  // clients that were answered and have not come back

	mu      sync.Mutex
	conns   map[uint64]*hubConn
	last    uint64     // the id of the newest
	queued  []*hubConn // that have something to send
	working bool       // run looks at queued before it waits
	closed  bool
}

// hubConn is a connection of a hub. One goroutine at a time may use it, but SetDeadline
// may be called from any.
type hubConn struct {
	hub    *hub
	id     uint64
	fd     int
	result chan hubResult // capacity 1
	timer  *time.Timer    // at the deadline

	// Under hub.mu:
	out     []byte // is to be sent by the hub
	in      []byte // where to, if waiting
	queued  bool   // is in hub.queued
	inUse   bool   // by run, without the lock
	waiting bool
	away    bool
	ready   bool // something may have come that nobody waited for
	late    bool // the deadline is over
	closed  bool
}

var _ net.Conn = (*hubConn)(nil)

type hubResult struct {
	n     int
	errno unix.Errno
}

const (
	hubEvents = 256
	// hubYields is how often run lets others run who may bring it more to send.
	hubYields = 4
)

// newHub returns a hub. It fails where the kernel has no epoll for it.
func newHub() (*hub, error) {
	poller, err := rawio.NewPoller()
	if err != nil {
		return nil, err
	}
	h := &hub{poller: poller, sockets: rawio.NewExchanger(), done: make(chan struct{}), conns: make(map[uint64]*hubConn)}
	go h.run()
	return h, nil
}

// close ends the hub, whose connections must have been closed.
func (h *hub) close() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.poller.Nudge()
	<-h.done
}

// adopt takes a connection over. If that fails nc is closed.
func (h *hub) adopt(nc net.Conn) (net.Conn, error) {
	fd, err := rawio.Detach(nc)
	if err != nil {
		nc.Close()
		return nil, err
	}
	c := &hubConn{hub: h, fd: fd, result: make(chan hubResult, 1)}
	c.timer = time.AfterFunc(time.Hour, c.expire)
	c.timer.Stop()
	h.mu.Lock()
	h.last++
	c.id = h.last
	h.conns[c.id] = c
	h.mu.Unlock()
	if err := h.poller.Add(fd, c.id); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// run serves the connections until the hub closes.
func (h *hub) run() {
	defer close(h.done)
	defer h.poller.Close()
	defer h.sockets.Close()
	w := &hubWork{hub: h, events: make([]rawio.Event, hubEvents)}
	for {
		h.mu.Lock()
		closed := h.closed
		h.mu.Unlock()
		if closed {
			return
		}
		h.poller.Wait(w.all)
	}
}

// hubWork is what run does at one moment.
type hubWork struct {
	hub       *hub
	events    []rawio.Event
	conns     []*hubConn
	transfers []rawio.Transfer
}

// all sends and receives until there is nothing to do.
func (w *hubWork) all() {
	h := w.hub
	h.mu.Lock()
	h.working = true
	h.mu.Unlock()
	for {
		w.send()
		n := h.poller.Look(w.events)
		w.receive(w.events[:n])
		if n == 0 && h.rest() {
			return
		}
		// Those who were answered send the next requests, all of which may go at once.
		for i := 0; i < hubYields && h.away.Load() > 0; i++ {
			runtime.Gosched()
		}
	}
}

// rest ends the work if there is nothing to send.
func (h *hub) rest() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.working = len(h.queued) > 0
	return !h.working
}

// send sends what is queued. What there is no room for stays with its connection, until
// an event tells that there is some.
func (w *hubWork) send() {
	h := w.hub
	h.mu.Lock()
	for _, c := range h.queued {
		if c.queued = false; !c.closed {
			w.add(c, rawio.ToSend(c.fd, c.out))
		}
	}
	clear(h.queued)
	h.queued = h.queued[:0]
	h.mu.Unlock()
	w.transfer(func(c *hubConn, x *rawio.Transfer) {
		c.out = c.out[x.N:]
		if x.Errno != 0 && x.Errno != unix.EAGAIN {
			c.out, c.ready = nil, true // whoever reads is told what is wrong
			c.finish(0, x.Errno)
		}
	})
}

// receive reads for those who wait, and sees to what the events tell besides.
func (w *hubWork) receive(events []rawio.Event) {
	h := w.hub
	h.mu.Lock()
	for i := range events {
		e := &events[i]
		c := h.conns[rawio.Of(e)]
		if c == nil {
			continue
		}
		if rawio.Writable(e) && len(c.out) > 0 {
			c.queue()
		}
		switch {
		case !rawio.Readable(e):
		case c.waiting:
			w.add(c, rawio.ToReceive(c.fd, c.in))
		default:
			c.ready = true
		}
	}
	h.mu.Unlock()
	w.transfer(func(c *hubConn, x *rawio.Transfer) {
		if x.Errno != unix.EAGAIN {
			c.ready = x.N == len(c.in)
			c.finish(x.N, x.Errno)
		}
	})
}

// add notes a transfer. The caller holds hub.mu.
func (w *hubWork) add(c *hubConn, x rawio.Transfer) {
	c.inUse = true
	w.conns, w.transfers = append(w.conns, c), append(w.transfers, x)
}

// transfer does what was noted, and calls then with hub.mu held.
func (w *hubWork) transfer(then func(*hubConn, *rawio.Transfer)) {
	h := w.hub
	h.sockets.Do(w.transfers)
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, c := range w.conns {
		if c.inUse = false; c.closed {
			unix.Close(c.fd) // Close left it to us
			continue
		}
		then(c, &w.transfers[i])
	}
	clear(w.conns)
	clear(w.transfers)
	w.conns, w.transfers = w.conns[:0], w.transfers[:0]
}

// queue has the hub send out. The caller holds hub.mu.
func (c *hubConn) queue() {
	if !c.queued {
		c.queued = true
		c.hub.queued = append(c.hub.queued, c)
	}
}

// finish lets the one who waits go on. The caller holds hub.mu.
func (c *hubConn) finish(n int, errno unix.Errno) {
	if !c.waiting {
		return
	}
	c.waiting, c.in, c.away = false, nil, true
	c.hub.away.Add(1)
	c.result <- hubResult{n, errno}
}

// Write sends b, which must not change before the answer has come.
func (c *hubConn) Write(b []byte) (int, error) {
	h := c.hub
	h.mu.Lock()
	c.back()
	if h.working {
		c.out = b
		c.queue()
		h.mu.Unlock()
		return len(b), nil
	}
	h.mu.Unlock()
	n, errno := rawio.Send(c.fd, b)
	if errno != unix.EAGAIN {
		return n, c.failure("write", errno)
	}
	h.mu.Lock()
	c.out = b[n:]
	c.queue() // there may be room again by now, and nobody was told
	h.mu.Unlock()
	h.poller.Nudge()
	return len(b), nil
}

// Read waits for bytes.
func (c *hubConn) Read(b []byte) (int, error) {
	h := c.hub
	h.mu.Lock()
	c.back()
	for c.ready {
		c.ready = false
		h.mu.Unlock()
		if n, errno := rawio.Receive(c.fd, b); errno != unix.EAGAIN {
			h.mu.Lock()
			c.ready = c.ready || n == len(b)
			h.mu.Unlock()
			return c.outcome(n, errno)
		}
		h.mu.Lock()
	}
	c.in, c.waiting = b, true
	h.mu.Unlock()
	r := <-c.result
	return c.outcome(r.n, r.errno)
}

func (c *hubConn) outcome(n int, errno unix.Errno) (int, error) {
	if n == 0 && errno == 0 {
		if err := c.failure("read", unix.ECONNRESET); err == os.ErrDeadlineExceeded {
			return 0, err
		}
		return 0, io.EOF
	}
	return n, c.failure("read", errno)
}

// failure returns the error of a system call, or that the deadline is over.
func (c *hubConn) failure(name string, errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	c.hub.mu.Lock()
	defer c.hub.mu.Unlock()
	if c.late {
		return os.ErrDeadlineExceeded
	}
	return os.NewSyscallError(name, errno)
}

// back notes that the client who was answered is here again. The caller holds hub.mu.
func (c *hubConn) back() {
	if c.away {
		c.away = false
		c.hub.away.Add(-1)
	}
}

// SetDeadline ends the connection at t; zero is never.
func (c *hubConn) SetDeadline(t time.Time) error {
	c.hub.mu.Lock()
	defer c.hub.mu.Unlock()
	switch {
	case c.closed:
		return net.ErrClosed
	case t.IsZero():
		c.timer.Stop()
	default:
		c.timer.Reset(time.Until(t))
	}
	return nil
}

// expire breaks the connection, of which its reader is told as of any other event.
func (c *hubConn) expire() {
	c.hub.mu.Lock()
	defer c.hub.mu.Unlock()
	if !c.closed {
		c.late = true
		unix.Shutdown(c.fd, unix.SHUT_RDWR)
	}
}

func (c *hubConn) Close() error {
	c.hub.mu.Lock()
	defer c.hub.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.closed = true
	c.back()
	c.timer.Stop()
	delete(c.hub.conns, c.id)
	if c.inUse {
		return nil
	}
	return unix.Close(c.fd)
}

func (c *hubConn) LocalAddr() net.Addr              { return nil }
func (c *hubConn) RemoteAddr() net.Addr             { return nil }
func (c *hubConn) SetReadDeadline(time.Time) error  { return errors.ErrUnsupported }
func (c *hubConn) SetWriteDeadline(time.Time) error { return errors.ErrUnsupported }
