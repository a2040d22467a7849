package transport

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// quickLimit is the most bytes that a quick read or write is for. They are copied
// while the scheduler thinks that the goroutine computes.
const quickLimit = 64 << 10

// quickConn reads and writes small messages without telling the scheduler. That is for
// system calls that may block, and wakes the runtime's monitor to watch over them: for
// a node that rests, two wakings of a thread for each message. The socket does not
// block.
type quickConn struct {
	*net.TCPConn
	raw syscall.RawConn

	readMu  sync.Mutex
	reading quickCall

	writeMu sync.Mutex
	writing quickCall
}

// quickCall is a read or a write. Its bound is kept, so that none allocates.
type quickCall struct {
	number uintptr
	b      []byte
	n      int
	err    error
	call   func(fd uintptr) bool
}

// ordered tells the race detector, as net does, that what is read was written before,
// where both ends are in one process.
var ordered atomic.Int64

// quick returns nc with quick reads and writes, if it is TCP's.
func quick(nc net.Conn) net.Conn {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return nc
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nc // it is closed
	}
	c := &quickConn{TCPConn: tcp, raw: raw}
	c.reading = quickCall{number: unix.SYS_READ}
	c.reading.call = c.reading.try
	c.writing = quickCall{number: unix.SYS_WRITE}
	c.writing.call = c.writing.try
	return c
}

// try tells whether the call is done: it need not wait for the socket.
func (q *quickCall) try(fd uintptr) bool {
	for {
		n, _, errno := unix.RawSyscall(q.number, fd, uintptr(unsafe.Pointer(&q.b[0])), uintptr(len(q.b)))
		switch errno {
		case 0:
			q.n = int(n)
			return true
		case unix.EAGAIN:
			return false
		case unix.EINTR:
		default:
			q.err = errno
			return true
		}
	}
}

// do returns what the call returned, or the error of waiting for the socket, such as
// that the deadline is over.
func (q *quickCall) do(b []byte, wait func(func(uintptr) bool) error) (int, error) {
	q.b, q.n, q.err = b, 0, nil
	err := wait(q.call)
	q.b = nil
	if err == nil {
		err = q.err
	}
	return q.n, err
}

func (c *quickConn) Read(b []byte) (int, error) {
	if len(b) == 0 || len(b) > quickLimit {
		return c.TCPConn.Read(b)
	}
	c.readMu.Lock()
	defer c.readMu.Unlock()
	n, err := c.reading.do(b, c.raw.Read)
	switch {
	case err != nil:
		return n, c.failed("read", err)
	case n == 0:
		return 0, io.EOF
	case raced:
		ordered.Load()
	}
	return n, nil
}

func (c *quickConn) Write(b []byte) (written int, err error) {
	if len(b) > quickLimit {
		return c.TCPConn.Write(b)
	}
	c.writeMu.Lock()
	defer c.writeMu.Unlock()
	if raced {
		ordered.Add(1)
	}
	for written < len(b) {
		n, err := c.writing.do(b[written:], c.raw.Write)
		written += n
		if err != nil {
			return written, c.failed("write", err)
		}
	}
	return written, nil
}

// failed returns err as net does.
func (c *quickConn) failed(op string, err error) error {
	if _, ok := err.(*net.OpError); ok {
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}
