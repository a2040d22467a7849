package rawio

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Poller tells which of many sockets have something, with epoll(7). The kernel's set of
// sockets is itself something that Go's runtime can wait for, so whoever waits takes no
// thread. One goroutine at a time may wait; the other methods may be called from any.
type Poller struct {
	file *os.File
	fd   int
	raw  syscall.RawConn
}

// Event tells what a socket has: see the flags of epoll_ctl(2).
type Event = unix.EpollEvent

// NewPoller returns a Poller. It fails where the kernel has no epoll of epolls.
func NewPoller() (*Poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	p := &Poller{file: os.NewFile(uintptr(fd), "epoll"), fd: fd}
	// That fails where the runtime cannot wait for it.
	if err = p.file.SetReadDeadline(time.Time{}); err == nil {
		p.raw, err = p.file.SyscallConn()
	}
	if err != nil {
		p.file.Close()
		return nil, err
	}
	return p, nil
}

// Add watches a socket, until it is closed. Its events have the id. They are edges, not
// levels: a socket that nobody reads is not told of again and again.
func (p *Poller) Add(fd int, id uint64) error {
	event := Event{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(id), Pad: int32(id >> 32)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &event))
}

// Of returns the id that an event's socket was added with.
func Of(e *Event) uint64 { return uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32 }

// Ended tells whether an event is that the other side sends no more, or that all is broken.
func Ended(e *Event) bool { return e.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 }

// Readable and Writable tell whether a socket may have bytes, or room for some, again.
func Readable(e *Event) bool { return e.Events&unix.EPOLLIN != 0 || Ended(e) }
func Writable(e *Event) bool { return e.Events&unix.EPOLLOUT != 0 || Ended(e) }

// Look returns how many sockets have something now, and puts it into events.
func (p *Poller) Look(events []Event) int { return poll(p.fd, events) }

// Wait calls serve now and whenever there may be something, until Nudge. serve must look
// until there is nothing: what comes after that is a new edge.
func (p *Poller) Wait(serve func()) {
	p.raw.Read(func(uintptr) bool {
		serve()
		return false
	})
	p.file.SetReadDeadline(time.Time{}) // for the next nudge
}

// Nudge makes Wait return, or the next one if there is none now.
func (p *Poller) Nudge() { p.file.SetReadDeadline(time.Unix(1, 0)) }

// Close ends Wait for good. The sockets stay open.
func (p *Poller) Close() { p.file.Close() }

// Detach returns a descriptor of nc's socket that Go's runtime does not watch, and closes
// nc. If nc has none it is left as it was.
func Detach(nc net.Conn) (fd int, err error) {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return -1, errors.ErrUnsupported
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return -1, err
	}
	var failed error
	err = raw.Control(func(own uintptr) { fd, failed = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0) })
	if err == nil {
		err = os.NewSyscallError("fcntl", failed)
	}
	if err != nil {
		return -1, err
	}
	nc.Close() // of the runtime's own descriptor; the socket lives on in ours
	return fd, nil
}
