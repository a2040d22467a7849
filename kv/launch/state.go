package launch

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// State is what a node's process does.
type State string

// The states of a process.
const (
	Running State = "running"
	Paused  State = "paused" // by SIGSTOP
	Dead    State = "dead"
)

// poll is how often the state of processes is looked at.
const poll = 20 * time.Millisecond

// dataFlag is how a node's process can be recognized.
func (n *Node) dataFlag() string { return "--data=" + n.Dir }

// State looks at the node's process. A process id alone is not believed: the
// system uses them again. A process that is ending counts as running until it
// has let go of its files.
func (n *Node) State() State {
	for range 50 {
		if state, known := n.inspect(); known {
			return state
		}
		time.Sleep(time.Millisecond)
	}
	return Dead // no command line at all: a thread of the kernel
}

// inspect is one look at the process. It knows nothing of a process that is just
// being executed: that has no command line yet.
func (n *Node) inspect() (state State, known bool) {
	if n.PID <= 0 {
		return Dead, true
	}
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", n.PID))
	if err != nil {
		return Dead, true
	}
	stat, ok := readStat(n.PID)
	switch {
	case !ok:
		return Dead, true
	case len(cmdline) > 0 && !slices.Contains(strings.Split(string(cmdline), "\x00"), n.dataFlag()):
		return Dead, true
	case len(cmdline) > 0 && (stat.state == "T" || stat.state == "t"):
		return Paused, true
	case len(cmdline) > 0:
		return Running, true
	case !stat.ending:
		return Dead, false
	case stat.threads <= 1 && (stat.state == "Z" || stat.state == "X"):
		return Dead, true
	}
	// Whose it was cannot be seen any more; it will be gone soon. The first thread
	// can be gone while others still hold the files.
	return Running, true
}

// processStat is what matters here of /proc/PID/stat. The kernel makes it in one
// go; a list of /proc/PID/task may miss threads while others end.
type processStat struct {
	state   string
	ending  bool
	threads int
}

// exiting is the kernel's PF_EXITING.
const exiting = 0x4

// readStat fails if there is no such process.
func readStat(pid int) (processStat, bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return processStat{}, false
	}
	// pid (name) state ...; the name may hold anything. See proc_pid_stat(5).
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 18 {
		return processStat{}, false
	}
	flags, flagsErr := strconv.ParseUint(fields[6], 10, 64)
	threads, threadsErr := strconv.Atoi(fields[17])
	if flagsErr != nil || threadsErr != nil {
		return processStat{}, false
	}
	return processStat{state: fields[0], ending: flags&exiting != 0, threads: threads}, true
}
