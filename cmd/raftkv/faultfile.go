package main

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"raftkv/kv/raftlog"
)

// faultFile makes the disk fail as a file says, for tests with real processes.
// Its lines are "fail OPERATION", "hang OPERATION" and "free BYTES"; operations
// are append, delete and stable. It is read at each write, so that a test can
// change it while the node runs.
type faultFile string

var _ raftlog.Faults = faultFile("")

var errInjected = errors.New("injected: input/output error")

func (f faultFile) lines(verb string) []string {
	b, err := os.ReadFile(string(f))
	if err != nil {
		return nil
	}
	var out []string
	for line := range strings.Lines(string(b)) {
		if fields := strings.Fields(line); len(fields) == 2 && fields[0] == verb {
			out = append(out, fields[1])
		}
	}
	return out
}

// Before fails or blocks while the file says so.
func (f faultFile) Before(operation string) error {
	for _, op := range f.lines("fail") {
		if op == operation {
			return errInjected
		}
	}
	for f.hangs(operation) {
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}

func (f faultFile) hangs(operation string) bool {
	for _, op := range f.lines("hang") {
		if op == operation {
			return true
		}
	}
	return false
}

// Torn is not for files.
func (f faultFile) Torn() (float64, func(), bool) { return 0, nil, false }

// Free tells the amount that the file says, if it does.
func (f faultFile) Free() (uint64, bool) {
	for _, text := range f.lines("free") {
		if n, err := strconv.ParseUint(text, 10, 64); err == nil {
			return n, true
		}
	}
	return 0, false
}
