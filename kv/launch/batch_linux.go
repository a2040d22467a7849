package launch

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// ScheduleAsBatch tells the kernel that this process's threads need not run the
// moment they wake up (sched(7), SCHED_BATCH); their share of the processors
// stays the same. It is for nodes that share a machine. By default a thread that
// wakes interrupts the one that runs, so a busy machine switches from node to node
// and to the client for each single message, and nobody gets to collect several:
// three leaders on two cores served a fifth fewer writes.
func ScheduleAsBatch() error {
	// New threads take after the one that makes them. One may be made while the
	// others are told, so this goes on until all are.
	for again := true; again; {
		again = false
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		for _, t := range threads {
			id, err := strconv.Atoi(t.Name())
			if err != nil {
				return fmt.Errorf("thread %q: %w", t.Name(), err)
			}
			changed, err := makeBatch(id)
			if err != nil && !errors.Is(err, unix.ESRCH) { // it has ended
				return fmt.Errorf("thread %d: %w", id, err)
			}
			again = again || changed
		}
	}
	return nil
}

// makeBatch tells whether the thread had another policy before. One that somebody
// chose on purpose, such as a real-time one, stays.
func makeBatch(thread int) (changed bool, err error) {
	attr, err := unix.SchedGetAttr(thread, 0)
	if err != nil || attr.Policy != unix.SCHED_NORMAL {
		return false, err
	}
	attr.Policy = unix.SCHED_BATCH
	return true, unix.SchedSetAttr(thread, attr, 0)
}
