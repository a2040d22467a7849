//go:build linux && !race

package rawio

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

func read(fd int, b []byte) (int, unix.Errno) { return call(unix.SYS_READ, fd, b) }

func write(fd int, b []byte) (int, unix.Errno) { return call(unix.SYS_WRITE, fd, b) }

func receive(fd int, b []byte) (int, unix.Errno) { return onSocket(unix.SYS_RECVFROM, fd, b, 0) }

func send(fd int, b []byte) (int, unix.Errno) {
	return onSocket(unix.SYS_SENDTO, fd, b, unix.MSG_NOSIGNAL)
}

// release and acquire tell the race detector what the kernel carries from one goroutine
// to another.
func release()    {}
func acquire(int) {}

func onSocket(number uintptr, fd int, b []byte, flags uintptr) (int, unix.Errno) {
	n, _, errno := syscall.RawSyscall6(number, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), flags, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

func call(number uintptr, fd int, b []byte) (int, unix.Errno) {
	n, _, errno := syscall.RawSyscall(number, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

func writeAt(fd int, b []byte, at int64) (int, unix.Errno) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_PWRITE64, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), uintptr(at), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
