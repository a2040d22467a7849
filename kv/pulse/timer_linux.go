package pulse

import (
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"raftkv/kv/rawio"
)

// systemTimer is a timerfd(2). For a process that rests, one of Go's timers is four
// wakings of a thread: whoever waits for the network wakes up to a millisecond early,
// since it counts whole ones, and once more for the rest; and so does the runtime's
// own monitor, which looks around for a moment then. This one is an event like a message
// that arrives, which is one.
//
// For the same reason its system calls are made without telling the scheduler: each
// that it knows of wakes the monitor, in case it should block. These do not.
type systemTimer struct {
	file *os.File
	raw  syscall.RawConn
	done chan struct{}
}

func newSystemTimer(fire func()) (timer, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	t := &systemTimer{file: os.NewFile(uintptr(fd), "timer"), done: make(chan struct{})}
	// That fails where the runtime cannot wait for it: then it would never go off.
	if err = t.file.SetReadDeadline(time.Time{}); err == nil {
		t.raw, err = t.file.SyscallConn()
	}
	if err != nil {
		t.file.Close()
		return nil, err
	}
	go t.run(fire)
	return t, nil
}

// run calls fire whenever the timer has gone off, until it is closed.
func (t *systemTimer) run(fire func()) {
	defer close(t.done)
	var times [8]byte // how often since the last look
	look := func(fd uintptr) bool {
		n, _ := rawio.Read(int(fd), times[:])
		return n == len(times)
	}
	for t.raw.Read(look) == nil {
		fire()
	}
}

func (t *systemTimer) set(after time.Duration) {
	// Zero turns it off.
	value := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(max(after, 0)))}
	// It fails only when the file is closed, and then nobody waits.
	t.raw.Control(func(fd uintptr) {
		unix.RawSyscall6(unix.SYS_TIMERFD_SETTIME, fd, 0, uintptr(unsafe.Pointer(&value)), 0, 0, 0)
	})
}

func (t *systemTimer) close() {
	t.file.Close()
	<-t.done
}
