//go:build !linux

package raftlog

// flushData returns when what was written to a file is on disk.
func flushData(f interface{ Sync() error }) error { return f.Sync() }
