package eventlog

import (
	"os"

	"raftkv/kv/rawio"
)

// quickWrite is up to how many bytes are written without telling Go's scheduler.
const quickWrite = 64 << 10

// write appends b to a file. A few lines go to the kernel's memory at once, and a node at
// rest is not to be woken for them any more than for its messages (rawio); with many, the
// kernel may have the writer wait for the disk.
func write(f *os.File, b []byte) (int, error) {
	if len(b) > quickWrite {
		return f.Write(b)
	}
	n, errno := rawio.Write(int(f.Fd()), b)
	if errno != 0 {
		return n, &os.PathError{Op: "write", Path: f.Name(), Err: errno}
	}
	return n, nil
}
