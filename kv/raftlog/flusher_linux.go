package raftlog

import (
	"os"

	"raftkv/kv/rawio"
)

// flusher writes a log's entries to files and to the disk. With a background flusher it
// does both without telling Go's scheduler (package rawio), which halves what an entry
// costs a node. Writing goes to the kernel's memory; only flushing waits for the disk.
type flusher struct{ background *rawio.Flusher } // nil: the kernel permits none

func newFlusher() flusher {
	f, err := rawio.NewFlusher()
	if err != nil {
		return flusher{} // as in some containers; all works without
	}
	return flusher{f}
}

// writeAt writes b to a file at an offset.
func (f flusher) writeAt(file diskFile, b []byte, at int64) (int, error) {
	if f.background == nil {
		return file.WriteAt(b, at)
	}
	n, errno := rawio.WriteAt(int(file.Fd()), b, at)
	if errno != 0 {
		return n, &os.PathError{Op: "write", Path: file.Name(), Err: errno}
	}
	return n, nil
}

// flush returns when what was written to a file is on disk, with what is needed to find
// it: unlike fsync without the time of the last change, which would make each append a
// change of metadata.
func (f flusher) flush(file diskFile) error {
	var err error
	if f.background != nil {
		err = f.background.Flush(int(file.Fd()))
	} else {
		err = flushData(file)
	}
	if err != nil {
		return &os.PathError{Op: "flush", Path: file.Name(), Err: err}
	}
	return nil
}

// close ends f, when it writes and flushes nothing.
func (f flusher) close() {
	if f.background != nil {
		f.background.Close()
	}
}

// flushData flushes a file on the calling thread.
func flushData(file interface{ Fd() uintptr }) error { return rawio.FlushData(int(file.Fd())) }
