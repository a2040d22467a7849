package rawio

import (
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// aio is the kernel's queue of this process's orders to do something in the background
// (io_setup(2)). There is one for the process, as there is one epoll set that Go's
// runtime waits with: each takes a part of /proc/sys/fs/aio-max-nr, and to end one takes
// 20 ms.
type aio struct {
	id uintptr // what the kernel knows it by

	mu      sync.Mutex
	number  uint64 // of the last order
	waiting map[uint64]*aioAnswer
	events  [16]aioEvent
}

// aioDepth is how many orders may be under way.
const aioDepth = 128

// openAIO returns the process's queue. It fails where the kernel permits none.
var openAIO = sync.OnceValues(func() (*aio, error) {
	q := &aio{waiting: make(map[uint64]*aioAnswer)}
	if _, _, errno := unix.RawSyscall(unix.SYS_IO_SETUP, aioDepth, uintptr(unsafe.Pointer(&q.id)), 0); errno != 0 {
		return nil, os.NewSyscallError("io_setup", errno)
	}
	return q, nil
})

// aioOrder is struct iocb of linux/aio_abi.h.
type aioOrder struct {
	number    uint64
	key       uint32
	rwFlags   uint32
	code      uint16
	priority  int16
	fd        uint32
	buf       uint64
	bytes     uint64
	offset    int64
	reserved  uint64
	flags     uint32
	eventFile uint32
}

const (
	aioFlushData = 3 // IOCB_CMD_FDSYNC
	aioTellEvent = 1 // IOCB_FLAG_RESFD: signal eventFile, an eventfd(2), when it is done
)

// aioEvent is struct io_event.
type aioEvent struct {
	number uint64 // of the order
	order  uint64
	result int64
	second int64
}

// aioAnswer is how an order ended, once it has. It is guarded by the queue's mutex.
type aioAnswer struct {
	ended bool
	errno unix.Errno
}

// submit gives an order, which is copied, and has the answer put into a.
func (q *aio) submit(o *aioOrder, a *aioAnswer) unix.Errno {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.number++
	o.number = q.number
	*a = aioAnswer{}
	list := [1]*aioOrder{o}
	if _, _, errno := unix.RawSyscall(unix.SYS_IO_SUBMIT, q.id, 1, uintptr(unsafe.Pointer(&list))); errno != 0 {
		return errno
	}
	q.waiting[o.number] = a
	return 0
}

// ended tells whether a has been answered.
func (q *aio) ended(a *aioAnswer) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for n := len(q.events); !a.ended && n == len(q.events); {
		n = q.reap()
	}
	return a.ended
}

// reap hands out answers that have come, and returns how many. It must be called with
// mu held.
func (q *aio) reap() int {
	var atOnce unix.Timespec
	n, _, errno := unix.RawSyscall6(unix.SYS_IO_GETEVENTS, q.id, 0, uintptr(len(q.events)), uintptr(unsafe.Pointer(&q.events[0])), uintptr(unsafe.Pointer(&atOnce)), 0)
	if errno != 0 {
		return 0
	}
	for _, e := range q.events[:n] {
		if a := q.waiting[e.number]; a != nil {
			a.ended = true
			a.errno = unix.Errno(max(-e.result, 0))
			delete(q.waiting, e.number)
		}
	}
	return int(n)
}
