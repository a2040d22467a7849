// Package rawio reads and writes sockets, and appends to files, without telling Go's
// scheduler.
//
// A system call made in the usual way tells the scheduler before and after, because it
// may block. On a process that was idle, that also wakes the thread which looks for
// calls that do (sysmon), and this one then sleeps 20 us at a time for as long as
// something runs: for a process that is woken by each message that costs more than the
// message. Sockets in non-blocking mode never block, nor does a disk that the kernel
// waits for (Flusher), so none of it is needed.
package rawio

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Receive reads from a socket in non-blocking mode. EAGAIN: there is nothing. Read does
// the same, at a higher price: the kernel takes the way that files go.
func Receive(fd int, b []byte) (int, unix.Errno) { return get(receive, fd, b) }

// Send writes what there is room for, to a socket in non-blocking mode. EAGAIN: that
// was not all.
func Send(fd int, b []byte) (sent int, errno unix.Errno) { return put(send, fd, b) }

// Read reads from a file that never blocks. EAGAIN: there is nothing.
func Read(fd int, b []byte) (int, unix.Errno) { return get(read, fd, b) }

// Write writes what there is room for, to a file that never blocks. EAGAIN: that was not
// all.
func Write(fd int, b []byte) (sent int, errno unix.Errno) { return put(write, fd, b) }

// get reads with a system call, again if a signal has interrupted it.
func get(call func(int, []byte) (int, unix.Errno), fd int, b []byte) (int, unix.Errno) {
	if len(b) == 0 {
		return 0, 0
	}
	for {
		n, errno := call(fd, b)
		if errno != unix.EINTR {
			return n, errno
		}
	}
}

// put writes with a system call until all is written or it fails.
func put(call func(int, []byte) (int, unix.Errno), fd int, b []byte) (sent int, errno unix.Errno) {
	for sent < len(b) {
		n, errno := call(fd, b[sent:])
		if errno != 0 && errno != unix.EINTR {
			return sent, errno
		}
		sent += n
	}
	return sent, 0
}

// WriteAt writes to a file at an offset. It is for what goes to the kernel's memory and
// not to a disk.
func WriteAt(fd int, b []byte, at int64) (written int, errno unix.Errno) {
	for written < len(b) {
		n, errno := writeAt(fd, b[written:], at+int64(written))
		if errno != 0 && errno != unix.EINTR {
			return written, errno
		}
		written += n
	}
	return written, 0
}

// poll returns how many sockets of the epoll set fd have something now; 0 if none has.
func poll(fd int, events []unix.EpollEvent) int {
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(fd), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}
