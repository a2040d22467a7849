package eventlog

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// rotatingFile appends whole lines to a file and, when it has grown to max
// bytes, moves it aside and goes on in a new one. Not for concurrent use.
type rotatingFile struct {
	path string
	max  int64
	keep int

	f        *os.File
	size     int64 // of f
	rotateAt int64 // usually max; more after a rotation that failed
	torn     bool  // f ends in the middle of a line
}

// openRotatingFile opens path for appending and creates its folder if missing.
func openRotatingFile(path string, max int64, keep int) (*rotatingFile, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := openAppend(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file: name another path", path)
	}
	r := &rotatingFile{path: path, max: max, keep: keep, f: f, rotateAt: max}
	if err == nil {
		r.size = info.Size()
		r.torn, err = endsTorn(path, r.size)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return r, nil
}

func openAppend(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
}

// endsTorn reports whether the last line lacks its newline, as after a crash.
func endsTorn(path string, size int64) (bool, error) {
	if size == 0 {
		return false, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	var last [1]byte
	if _, err := f.ReadAt(last[:], size-1); err != nil {
		return false, err
	}
	return last[0] != '\n', nil
}

// Write appends p, which must hold whole lines. A line is never split over two
// files. On an error n tells how much of p was written.
func (r *rotatingFile) Write(p []byte) (n int, err error) {
	for n < len(p) {
		part := r.fitting(p[n:])
		if len(part) == 0 {
			if err := r.rotate(); err != nil {
				// Not fatal: go on in the file we have, try again once it
				// has grown by another max. What is at hand must fit.
				r.rotateAt = r.size + max(r.max, int64(len(p)-n))
			}
			continue
		}
		m, err := r.append(part)
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// fitting returns the leading lines of p that the current file still takes. It
// takes at least one if the file is empty, however long.
func (r *rotatingFile) fitting(p []byte) []byte {
	room := r.rotateAt - r.size
	if int64(len(p)) <= room {
		return p
	}
	if room > 0 {
		if end := bytes.LastIndexByte(p[:room], '\n'); end >= 0 {
			return p[:end+1]
		}
	}
	if r.size > 0 {
		return nil
	}
	if end := bytes.IndexByte(p, '\n'); end >= 0 {
		return p[:end+1]
	}
	return p
}

// append writes lines to the current file, beginning a new line if the file
// ends in a torn one: that one is lost, the next must not be.
func (r *rotatingFile) append(lines []byte) (int, error) {
	if r.torn {
		if _, err := write(r.f, []byte{'\n'}); err != nil {
			return 0, err
		}
		r.size++
		r.torn = false
	}
	n, err := write(r.f, lines)
	r.size += int64(n)
	r.torn = n > 0 && lines[n-1] != '\n'
	return n, err
}

// rotate shifts path.1, path.2, ... up by one, moves path to path.1 and starts a
// new file. The file that is open stays open until the new one is, so on an
// error the log just goes on in it, whatever its name is by then.
func (r *rotatingFile) rotate() error {
	for i := r.keep; i >= 1; i-- {
		err := os.Rename(r.name(i-1), r.name(i))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	f, err := openAppend(r.path)
	if err != nil {
		return err
	}
	old := r.f
	r.f, r.size, r.rotateAt, r.torn = f, 0, r.max, false
	// Its lines are written; an error of close could only repeat an error of
	// write, and the new file is in use already.
	_ = old.Close()
	return nil
}

// name returns the name of the i-th youngest file; 0 is the one in use.
func (r *rotatingFile) name(i int) string {
	if i == 0 {
		return r.path
	}
	return r.path + "." + strconv.Itoa(i)
}

// Sync forces the current file to disk. Files moved aside are left to the
// kernel: an fsync of a whole file would compete with raft's own.
func (r *rotatingFile) Sync() error { return r.f.Sync() }

// Close closes the file.
func (r *rotatingFile) Close() error { return r.f.Close() }
