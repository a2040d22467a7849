package snapshot

import (
	"os"

	"golang.org/x/sys/unix"
)

// writeBack has the kernel begin to write what lies between begun and end. What was
// begun the last time, from some position on, is waited for, so that the disk sets the
// pace.
func writeBack(f *os.File, from, begun, end int64) error {
	if begun > 0 {
		if err := unix.SyncFileRange(int(f.Fd()), from, begun-from, unix.SYNC_FILE_RANGE_WAIT_BEFORE); err != nil {
			return err
		}
	}
	return unix.SyncFileRange(int(f.Fd()), begun, end-begun, unix.SYNC_FILE_RANGE_WRITE)
}
