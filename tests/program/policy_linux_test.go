package program

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// wantBatch checks that the kernel schedules each thread of a process as batch work.
func wantBatch(t *testing.T, pid int) {
	t.Helper()
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil || len(threads) == 0 {
		t.Fatalf("threads of process %d: %d, %v", pid, len(threads), err)
	}
	for _, thread := range threads {
		id, err := strconv.Atoi(thread.Name())
		if err != nil {
			t.Fatal(err)
		}
		attr, err := unix.SchedGetAttr(id, 0)
		if errors.Is(err, unix.ESRCH) {
			continue // it has ended
		}
		if err != nil || attr.Policy != unix.SCHED_BATCH {
			t.Errorf("thread %d of process %d has policy %+v, %v; want SCHED_BATCH", id, pid, attr, err)
		}
	}
}
