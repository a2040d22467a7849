package raftlog

import (
	"os"

	"golang.org/x/sys/unix"
)

// mapFile shows a file as bytes that must not be changed, until unmap is called. A
// page that cannot be read is a fault of the goroutine that touches it: see
// withoutPanic.
func mapFile(path string) (b []byte, unmap func(), err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if info.Size() == 0 {
		return nil, func() {}, nil
	}
	if b, err = unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED); err != nil {
		return nil, nil, &os.PathError{Op: "mmap", Path: path, Err: err}
	}
	return b, func() { unix.Munmap(b) }, nil
}
