package raftlog

import (
	"os"

	"golang.org/x/sys/unix"
)

// flushData returns when what was written to a file is on disk, with what is needed to
// find it: unlike fsync without the time of the last change, which makes each append a
// change of metadata.
func flushData(f interface{ Fd() uintptr }) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); err != unix.EINTR {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
