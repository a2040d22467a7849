package rawio

import (
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Flusher flushes files as fdatasync(2) does, but lets the kernel do it in the
// background and waits for it as for a message. A thread that flushes itself is away for
// a fraction of a millisecond: long enough for the runtime's monitor to look after its
// processor, every 20 us, and to give that to another thread.
// Its methods may be called from any goroutine; one flush is made at a time.
type Flusher struct {
	queue *aio
	event *os.File // eventfd(2)
	raw   syscall.RawConn

	mu     sync.Mutex
	order  aioOrder
	answer aioAnswer
	ended  func(uintptr) bool
}

// NewFlusher returns a Flusher. It fails where the kernel has or permits none.
func NewFlusher() (*Flusher, error) {
	queue, err := openAIO()
	if err != nil {
		return nil, err
	}
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	f := &Flusher{queue: queue, event: os.NewFile(uintptr(fd), "flushed")}
	// That fails where the runtime cannot wait for it: then no flush would ever end.
	if err = f.event.SetReadDeadline(time.Time{}); err == nil {
		f.raw, err = f.event.SyscallConn()
	}
	if err != nil {
		f.event.Close()
		return nil, err
	}
	f.order = aioOrder{code: aioFlushData, flags: aioTellEvent, eventFile: uint32(fd)}
	// Nobody reads the event's counter: each signal is a new edge all the same.
	f.ended = func(uintptr) bool { return f.queue.ended(&f.answer) }
	return f, nil
}

// Flush returns when what was written to the open file fd is on disk, with what is
// needed to find it. After an error that is not known.
func (f *Flusher) Flush(fd int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.order.fd = uint32(fd)
	switch errno := f.queue.submit(&f.order, &f.answer); errno {
	case 0:
	case unix.EAGAIN: // too many are under way
		return FlushData(fd)
	default:
		return os.NewSyscallError("io_submit", errno)
	}
	if err := f.raw.Read(f.ended); err != nil {
		return err
	}
	if f.answer.errno != 0 {
		return os.NewSyscallError("fdatasync", f.answer.errno)
	}
	return nil
}

// Close ends f, when no flush is under way.
func (f *Flusher) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.event.Close()
}

// FlushData does on the calling thread what a Flusher does.
func FlushData(fd int) error {
	for {
		if err := unix.Fdatasync(fd); err != unix.EINTR {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
