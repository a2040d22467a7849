package check

import (
	"errors"
	"os"
	"path/filepath"

	"raftkv/kv/history"
)

// archive is the file that a run's history is written to. Runs of hours would fill
// the disk: beyond maxArchive the file is set aside and replaces the one before.
// Not safe for concurrent use.
type archive struct {
	path string
	file *os.File
	size int64
	err  error // the first
}

// maxArchive is how large the file may become, in bytes.
const maxArchive = 512 << 20

func newArchive(dir string) (*archive, error) {
	a := &archive{path: filepath.Join(dir, "history.jsonl")}
	if err := os.Remove(a.older()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var err error
	a.file, err = os.Create(a.path)
	return a, err
}

func (a *archive) older() string { return a.path + ".older" }

// Write counts what is written.
func (a *archive) Write(b []byte) (int, error) {
	n, err := a.file.Write(b)
	a.size += int64(n)
	return n, err
}

func (a *archive) add(ops []history.Operation) {
	if a.err == nil {
		a.err = history.Write(a, ops)
	}
	if a.err != nil || a.size < maxArchive {
		return
	}
	if a.err = errors.Join(a.file.Close(), os.Rename(a.path, a.older())); a.err == nil {
		a.size = 0
		a.file, a.err = os.Create(a.path)
	}
}

func (a *archive) close() { a.file.Close() }
