package raftlog

import (
	"os"
	"sync"
	"time"

	"github.com/hashicorp/raft-wal/fs"
	"github.com/hashicorp/raft-wal/types"
)

// tailFiles is raft-wal's file system with files that are cheaper to append to.
//
// raft-wal reserves a segment's space and fsyncs each append. But space that is
// reserved and was never written is marked as such: to write to it changes metadata,
// which has to be on disk before the append is; with a journal, which is everybody's, it
// is committed each time. Where something has been written before, an append is a write
// of its blocks and a flush of the disk's cache. So zeros are written ahead of the
// appends. (PostgreSQL does it with whole segments: its parameter wal_init_zero.)
type tailFiles struct {
	*fs.FS
	flusher flusher
	flushed func(took time.Duration) // told of each flush of an append; may be nil
}

var _ types.VFS = tailFiles{}

// How many bytes of zeros are written at once; as many again when less than that is
// left. It begins small, since many groups are hardly written to, and doubles. To copy
// the most to the kernel's memory takes 0.2 ms.
const (
	leastAhead = 64 << 10
	mostAhead  = 1 << 20
)

var aheadZeros [mostAhead]byte

// diskFile is an open file, as fs.FS returns it.
type diskFile interface {
	types.WritableFile
	Fd() uintptr
	Name() string
	Stat() (os.FileInfo, error)
}

// Create makes a segment.
func (t tailFiles) Create(dir, name string, size uint64) (types.WritableFile, error) {
	f, err := t.FS.Create(dir, name, size)
	if err != nil {
		return nil, err
	}
	tail, err := t.newTail(f)
	if err != nil {
		return nil, err
	}
	// Appends go to another segment now, or there are none yet.
	tail.fill(0)
	if err := tail.Sync(); err != nil {
		tail.Close()
		return nil, err
	}
	return tail, nil
}

// OpenWriter opens the last segment.
func (t tailFiles) OpenWriter(dir, name string) (types.WritableFile, error) {
	f, err := t.FS.OpenWriter(dir, name)
	if err != nil {
		return nil, err
	}
	return t.newTail(f)
}

// tail is the segment that is appended to, by one goroutine.
type tail struct {
	diskFile
	files  tailFiles
	size   int64 // of the space that is reserved
	filled int64 // up to here something has been written
	step   int64 // how many zeros are written next
	synced bool  // the file is on disk, and so is its name

	flushing chan struct{} // holds one while zeros are being flushed
	done     sync.WaitGroup
}

func (t tailFiles) newTail(f types.WritableFile) (*tail, error) {
	file := f.(diskFile)
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, err
	}
	return &tail{diskFile: file, files: t, size: info.Size(), step: leastAhead, flushing: make(chan struct{}, 1)}, nil
}

// WriteAt writes an append.
func (t *tail) WriteAt(b []byte, off int64) (int, error) {
	n, err := t.files.flusher.writeAt(t.diskFile, b, off)
	if end := off + int64(n); err == nil && t.filled < t.size && end+t.step > t.filled {
		select {
		case t.flushing <- struct{}{}:
			t.fill(end)
			t.done.Go(func() {
				flushZeros(t.Name())
				<-t.flushing
			})
		default:
		}
	}
	return n, err
}

// fill writes the next zeros, behind the end of the log. It is done here and not in the
// background because the next append may come to lie there. What goes wrong is no
// concern: the append that needs the space will find out.
func (t *tail) fill(end int64) {
	t.filled = max(t.filled, end)
	if n := min(t.size-t.filled, t.step); n > 0 {
		written, _ := t.diskFile.WriteAt(aheadZeros[:n], t.filled)
		t.filled += int64(written)
		t.step = min(2*t.step, mostAhead)
	}
}

// flushZeros has a file written to disk. It opens it for that, because the kernel tells
// of an error once per open file: the append that it concerns must learn of it.
func flushZeros(path string) {
	if f, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
		flushData(f)
		f.Close()
	}
}

// Sync returns when all that was written is on disk.
func (t *tail) Sync() error {
	if t.synced {
		return t.flush()
	}
	if err := t.diskFile.Sync(); err != nil {
		return err
	}
	t.synced = true
	return nil
}

func (t *tail) flush() error {
	start := time.Now()
	err := t.files.flusher.flush(t.diskFile)
	if err == nil && t.files.flushed != nil {
		t.files.flushed(time.Since(start))
	}
	return err
}

// Close closes the file.
func (t *tail) Close() error {
	t.done.Wait()
	return t.diskFile.Close()
}
