package rawio

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// Many who flush files with one Flusher each get their own answer.
func TestFlush(t *testing.T) {
	flusher, err := NewFlusher()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(socket)
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			file, err := os.Create(filepath.Join(dir, fmt.Sprint(i)))
			if err != nil {
				t.Error(err)
				return
			}
			defer file.Close()
			for at := range int64(20) {
				if n, errno := WriteAt(int(file.Fd()), []byte("a"), at); n != 1 || errno != 0 {
					t.Errorf("written: %d, %v", n, errno)
				}
				if err := flusher.Flush(int(file.Fd())); err != nil {
					t.Errorf("a file: %v", err)
				}
				// What cannot be flushed tells so.
				if err := flusher.Flush(socket); !errors.Is(err, unix.EINVAL) {
					t.Errorf("a socket: %v", err)
				}
			}
			if info, err := file.Stat(); err != nil || info.Size() != 20 {
				t.Errorf("the file: %v, %v", info, err)
			}
		})
	}
	all.Wait()
	if err := flusher.Close(); err != nil {
		t.Error(err)
	}
	if err := flusher.Flush(0); err == nil {
		t.Error("a closed Flusher flushes")
	}
}
