package rawio

import (
	"sync"

	"golang.org/x/sys/unix"
)

// Transfer is what Send or Receive do, to be done with others.
type Transfer struct {
	fd   int
	b    []byte
	send bool
	done bool

	N     int        // bytes; of a receipt 0: the other side sends no more
	Errno unix.Errno // EAGAIN: see Send and Receive
}

// ToSend is a transfer that sends b, which must be on the heap.
func ToSend(fd int, b []byte) Transfer { return Transfer{fd: fd, b: b, send: true} }

// ToReceive is a transfer that reads into b, which must be on the heap.
func ToReceive(fd int, b []byte) Transfer { return Transfer{fd: fd, b: b} }

// alone does the transfer, or what is left of it, with a system call of its own.
func (x *Transfer) alone() {
	if x.send {
		n, errno := Send(x.fd, x.b[x.N:])
		x.N, x.Errno = x.N+n, errno
	} else {
		x.N, x.Errno = Receive(x.fd, x.b)
	}
}

// Exchanger does many transfers with one system call, where the kernel permits io_uring(7). A
// call costs from 0.1 us to more than 1 us, by machine, before it does anything; to send a
// small message costs 5 to 10. Its methods may be called from any goroutine.
type Exchanger struct {
	mu   sync.Mutex
	ring *ring // nil: there is none
}

const (
	// ringSize is how many transfers one system call does, and ringBytes how large they
	// may be together, for the reason of most: a receipt counts with all its room.
	ringSize  = 64
	ringBytes = 512 << 10
	// fewest is for how many the ring is worth its own price.
	fewest = 2
)

// NewExchanger returns an Exchanger. Where the kernel has or permits no io_uring it does
// one transfer after the other.
func NewExchanger() *Exchanger {
	r, err := newRing(ringSize)
	if err != nil {
		return &Exchanger{}
	}
	return &Exchanger{ring: r}
}

// Do does all transfers, in any order. A socket may be in one of them only.
func (e *Exchanger) Do(all []Transfer) {
	if len(all) >= fewest && e.mu.TryLock() { // whoever comes meanwhile is quicker alone
		for rest := all; e.ring != nil && len(rest) > 0; {
			some := rest[:atOnce(rest)]
			rest = rest[len(some):]
			if !e.ring.do(some) {
				e.ring.close()
				e.ring = nil
			}
		}
		e.mu.Unlock()
	}
	for i := range all {
		x := &all[i]
		if !x.done || x.Errno == unix.EINTR || x.send && x.Errno == 0 && x.N < len(x.b) {
			x.Errno = 0
			x.alone()
		}
	}
}

// atOnce returns how many of the transfers the ring may do with one call.
func atOnce(all []Transfer) int {
	n, bytes := 0, 0
	for n < min(len(all), ringSize) && (n == 0 || bytes+len(all[n].b) <= ringBytes) {
		bytes += len(all[n].b)
		n++
	}
	return n
}

// Close gives the kernel's part back. Do works on without it.
func (e *Exchanger) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ring != nil {
		e.ring.close()
		e.ring = nil
	}
}
