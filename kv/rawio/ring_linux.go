package rawio

import (
	"os"
	"runtime"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ring is an io_uring(7): orders go to the kernel through memory that both share, many of
// them with one system call, and so do the answers. It is used only for what the kernel
// does at once, so every call of do ends with all answers there.
// One goroutine at a time may use it.
type ring struct {
	fd         int
	maps       [2][]byte // of the queues, and of orders
	orders     []order
	mask       uint32 // of both queues' indexes
	ordersTail *uint32
	doneHead   *uint32
	doneTail   *uint32
	done       []completion
}

// order is struct io_uring_sqe of linux/io_uring.h.
type order struct {
	code    uint8
	flags   uint8
	prio    uint16
	fd      int32
	offset  uint64
	addr    uint64
	bytes   uint32
	message uint32 // flags of recv(2) and send(2)
	number  uint64
	_       [3]uint64
}

// completion is struct io_uring_cqe.
type completion struct {
	number uint64
	result int32
	flags  uint32
}

const (
	orderSend    = 26 // IORING_OP_SEND
	orderReceive = 27 // IORING_OP_RECV

	enterGetEvents = 1 << 0     // IORING_ENTER_GETEVENTS
	offsetQueues   = 0          // IORING_OFF_SQ_RING
	offsetOrders   = 0x10000000 // IORING_OFF_SQES
	singleMap      = 1 << 0     // IORING_FEAT_SINGLE_MMAP: since Linux 5.4
	fastPoll       = 1 << 5     // IORING_FEAT_FAST_POLL: since 5.7, which has no thread for what would block
)

// ringParams is struct io_uring_params.
type ringParams struct {
	orders, done uint32
	flags        uint32
	_            [2]uint32
	features     uint32
	_            [4]uint32
	ordersAt     struct {
		head, tail, mask, entries, flags, dropped, array, _ uint32
		_                                                   uint64
	}
	doneAt struct {
		head, tail, mask, entries, overflow, completions, flags, _ uint32
		_                                                          uint64
	}
}

// newRing makes a ring for size orders at a time, a power of two. It fails where the
// kernel has none or permits none, as in many containers.
func newRing(size uint32) (*ring, error) {
	var p ringParams
	fd, _, errno := unix.RawSyscall(unix.SYS_IO_URING_SETUP, uintptr(size), uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return nil, os.NewSyscallError("io_uring_setup", errno)
	}
	r := &ring{fd: int(fd)}
	if p.features&(singleMap|fastPoll) != singleMap|fastPoll {
		r.close()
		return nil, os.NewSyscallError("io_uring_setup", unix.ENOSYS)
	}
	length := [2]uint32{max(p.ordersAt.array+p.orders*4, p.doneAt.completions+p.done*uint32(unsafe.Sizeof(completion{}))), p.orders * uint32(unsafe.Sizeof(order{}))}
	for i, offset := range []int64{offsetQueues, offsetOrders} {
		var err error
		if r.maps[i], err = unix.Mmap(r.fd, offset, int(length[i]), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE); err != nil {
			r.close()
			return nil, os.NewSyscallError("mmap", err)
		}
	}
	queues, orders := r.maps[0], r.maps[1]
	at := func(offset uint32) *uint32 { return (*uint32)(unsafe.Pointer(&queues[offset])) }
	r.orders = unsafe.Slice((*order)(unsafe.Pointer(&orders[0])), p.orders)
	r.mask = p.orders - 1
	r.ordersTail, r.doneHead, r.doneTail = at(p.ordersAt.tail), at(p.doneAt.head), at(p.doneAt.tail)
	r.done = unsafe.Slice((*completion)(unsafe.Pointer(&queues[p.doneAt.completions])), p.done)
	for i := range p.orders { // the place of an order never changes
		*at(p.ordersAt.array + 4*i) = i
	}
	return r, nil
}

// do carries out transfers, at most as many as the ring has room for. False: the kernel
// would not, and what has no result yet was not done.
func (r *ring) do(all []Transfer) bool {
	tail := *r.ordersTail
	for i := range all {
		x := &all[i]
		o := &r.orders[(tail+uint32(i))&r.mask]
		*o = order{
			code: orderReceive, fd: int32(x.fd), bytes: uint32(len(x.b)), number: uint64(i),
			addr: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(x.b)))), message: unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL,
		}
		if x.send {
			o.code = orderSend
		}
	}
	release()
	atomic.StoreUint32(r.ordersTail, tail+uint32(len(all)))
	for taken, answered := 0, 0; answered < len(all); {
		n, _, errno := unix.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(len(all)-taken), uintptr(len(all)-answered), enterGetEvents, 0, 0)
		if errno == 0 {
			taken += int(n)
		}
		answered += r.reap(all)
		if errno != 0 && errno != unix.EINTR && taken == answered {
			atomic.StoreUint32(r.ordersTail, tail+uint32(taken)) // the kernel looks at it in calls alone
			return false
		}
	}
	acquire(all[0].fd)
	runtime.KeepAlive(all)
	return true
}

// reap takes the answers that have come, and returns how many.
func (r *ring) reap(all []Transfer) (n int) {
	head, tail := *r.doneHead, atomic.LoadUint32(r.doneTail)
	for ; head != tail; head++ {
		c := &r.done[head&uint32(len(r.done)-1)]
		x := &all[c.number]
		x.done = true
		if x.N = int(c.result); x.N < 0 {
			x.N, x.Errno = 0, unix.Errno(-c.result)
		}
		n++
	}
	atomic.StoreUint32(r.doneHead, head)
	return n
}

func (r *ring) close() {
	for _, m := range r.maps {
		if m != nil {
			unix.Munmap(m)
		}
	}
	unix.Close(r.fd)
}
