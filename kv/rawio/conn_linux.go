package rawio

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// most bounds what is copied without telling the scheduler: meanwhile the processor
// serves nobody else.
const most = 64 << 10

// Conn returns nc with quicker reads and writes; nc is used through it only. What has
// no socket is returned as it is.
func Conn(nc net.Conn) net.Conn {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nc
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nc
	}
	c := &conn{Conn: nc, raw: raw}
	// Made once: closures made for each call would be garbage.
	c.reader.call = func(fd uintptr) bool {
		c.reader.n, c.reader.errno = Receive(int(fd), c.reader.b)
		return c.reader.errno != unix.EAGAIN
	}
	c.request = func(fd uintptr) bool {
		if len(c.out) == 0 {
			return c.reader.call(fd)
		}
		n, errno := Send(int(fd), c.out)
		c.out, c.reader.errno = c.out[n:], errno
		return errno != 0 // or else wait for the answer: it cannot have been there before
	}
	c.writer.call = func(fd uintptr) bool {
		n, errno := Send(int(fd), c.writer.b[c.writer.n:])
		c.writer.n, c.writer.errno = c.writer.n+n, errno
		return errno != unix.EAGAIN
	}
	return c
}

// conn waits as net.Conn does, deadlines and all, by the runtime's poller.
type conn struct {
	net.Conn
	raw            syscall.RawConn
	reader, writer half
	request        func(fd uintptr) bool
	out            []byte // of the request, under the reader's lock
}

// half is one direction of a connection.
type half struct {
	mu    sync.Mutex
	call  func(fd uintptr) bool // false: wait until the socket is ready
	b     []byte
	n     int
	errno unix.Errno
}

func (h *half) do(name string, wait func(func(uintptr) bool) error, b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.b, h.n, h.errno = b, 0, 0
	err := named(wait(h.call), name)
	h.b = nil
	if err == nil && h.errno != 0 {
		err = os.NewSyscallError(name, h.errno)
	}
	return h.n, err
}

// named says in an error of package net what was done: "raw-read" tells nobody anything.
func named(err error, name string) error {
	if failed, ok := err.(*net.OpError); ok {
		failed.Op = name
	}
	return err
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.reader.do("read", c.raw.Read, b)
	if n == 0 && err == nil && len(b) > 0 {
		err = io.EOF
	}
	return n, err
}

// Exchange sends a request on a connection and reads what comes first of the answer.
// All of earlier answers must have been read. It saves the look for an answer that
// cannot be there yet, which Write and Read would take.
func Exchange(nc net.Conn, request, answer []byte) (int, error) {
	c, ok := nc.(*conn)
	if !ok {
		if _, err := nc.Write(request); err != nil {
			return 0, err
		}
		return nc.Read(answer)
	}
	n, rest, err := c.exchange(request, answer)
	if len(rest) == 0 {
		return n, err
	}
	if _, err := c.Write(rest); err != nil { // the kernel has no room for all of it
		return 0, err
	}
	return c.Read(answer)
}

func (c *conn) exchange(request, answer []byte) (n int, rest []byte, err error) {
	c.reader.mu.Lock()
	defer c.reader.mu.Unlock()
	c.out = request
	c.reader.b, c.reader.n, c.reader.errno = answer, 0, 0
	err = c.raw.Read(c.request)
	rest, c.out, c.reader.b = c.out, nil, nil
	switch errno := c.reader.errno; {
	case err != nil:
		return 0, nil, named(err, "read")
	case errno == unix.EAGAIN:
		return 0, rest, nil
	case errno != 0:
		return 0, nil, os.NewSyscallError("read", errno)
	case c.reader.n == 0 && len(answer) > 0:
		return 0, nil, io.EOF
	}
	return c.reader.n, nil, nil
}

func (c *conn) Write(b []byte) (int, error) {
	if len(b) > most {
		return c.Conn.Write(b)
	}
	return c.writer.do("write", c.raw.Write, b)
}

// SetLinger is that of net.TCPConn.
func (c *conn) SetLinger(seconds int) error {
	if tcp, ok := c.Conn.(interface{ SetLinger(int) error }); ok {
		return tcp.SetLinger(seconds)
	}
	return errors.ErrUnsupported
}

// SyscallConn gives the connection's socket to who wants to set its options.
func (c *conn) SyscallConn() (syscall.RawConn, error) { return c.raw, nil }
