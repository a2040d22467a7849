//go:build !linux

package raftlog

// flusher writes a log's entries to files and to the disk.
type flusher struct{}

func newFlusher() flusher { return flusher{} }

// writeAt writes b to a file at an offset.
func (flusher) writeAt(file diskFile, b []byte, at int64) (int, error) { return file.WriteAt(b, at) }

// flush returns when what was written to a file is on disk.
func (flusher) flush(file diskFile) error { return file.Sync() }

func (flusher) close() {}

// flushData flushes a file on the calling thread.
func flushData(file interface{ Sync() error }) error { return file.Sync() }
