package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// quotaPeriod is how often a process gets its share of a core anew. The kernel's
// default, 100 ms, would stop a node for longer than its heartbeats take.
const quotaPeriod = 10 * time.Millisecond

// cpuLimiter makes control groups that hold processes to a share of a core. They are
// below one folder, of this process alone.
type cpuLimiter struct {
	dir     string
	version int // of the kernel's interface, 1 or 2
	groups  []string
}

var errNoCgroups = errors.New("no control group for CPU time can be made here")

// newCPULimiter finds where control groups can be made. It fails with errNoCgroups,
// and why, where the system has none or does not permit it.
func newCPULimiter() (*cpuLimiter, error) {
	first := []string{"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"}
	for _, mount := range append(first, "/sys/fs/cgroup") {
		removeLeftovers(mount)
	}
	name := groupPrefix + fmt.Sprint(os.Getpid())
	second, errSecond := newSecond("/sys/fs/cgroup", name)
	if errSecond == nil {
		return second, nil
	}
	var errs []error
	for _, mount := range first {
		l := &cpuLimiter{dir: filepath.Join(mount, name), version: 1}
		if _, err := os.Stat(filepath.Join(mount, "cpu.cfs_quota_us")); err != nil {
			errs = append(errs, err)
			continue
		}
		err := os.Mkdir(l.dir, 0o755)
		if err == nil {
			return l, nil
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("%w: version 2: %w; version 1: %w", errNoCgroups, errSecond, errors.Join(errs...))
}

// groupPrefix begins the name of a process's folder; its id follows.
const groupPrefix = "raftkv-bench-"

// removeLeftovers removes the control groups of benchmarks that were killed. Those
// in which something still runs stay, and so do those of benchmarks that run.
func removeLeftovers(mount string) {
	left, _ := filepath.Glob(filepath.Join(mount, groupPrefix+"*"))
	for _, dir := range left {
		pid, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(dir), groupPrefix))
		if err != nil || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			continue
		}
		// The kernel removes a group's files with it, and refuses where a process is.
		held, _ := filepath.Glob(filepath.Join(dir, "[0-9]*"))
		for _, group := range held {
			os.Remove(group)
		}
		if err := os.Remove(dir); err != nil {
			note("control groups of a benchmark that was killed stay behind, end what runs in them: %v", err)
		}
	}
}

// newSecond makes a folder with the CPU controller in the second version.
func newSecond(mount, name string) (*cpuLimiter, error) {
	have, err := os.ReadFile(filepath.Join(mount, "cgroup.controllers"))
	if err != nil {
		return nil, err
	}
	if !slices.Contains(strings.Fields(string(have)), "cpu") {
		return nil, fmt.Errorf("%s has no CPU controller", mount)
	}
	l := &cpuLimiter{dir: filepath.Join(mount, name), version: 2}
	if err := os.WriteFile(filepath.Join(mount, "cgroup.subtree_control"), []byte("+cpu"), 0o644); err != nil {
		return nil, err
	}
	if err := os.Mkdir(l.dir, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(l.dir, "cgroup.subtree_control"), []byte("+cpu"), 0o644); err != nil {
		return nil, errors.Join(err, os.Remove(l.dir))
	}
	return l, nil
}

func (l *cpuLimiter) String() string {
	return fmt.Sprintf("control groups, version %d, with a period of %v", l.version, quotaPeriod)
}

// hold puts a process with all its threads into a control group of its own that has
// a share of a core.
func (l *cpuLimiter) hold(pid int, share float64) error {
	dir := filepath.Join(l.dir, fmt.Sprint(pid))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	l.groups = append(l.groups, dir)
	period := quotaPeriod.Microseconds()
	quota := int64(share * float64(period))
	files := [][2]string{{"cpu.cfs_period_us", fmt.Sprint(period)}, {"cpu.cfs_quota_us", fmt.Sprint(quota)}}
	if l.version == 2 {
		files = [][2]string{{"cpu.max", fmt.Sprint(quota, " ", period)}}
	}
	for _, f := range append(files, [2]string{"cgroup.procs", fmt.Sprint(pid)}) {
		if err := os.WriteFile(filepath.Join(dir, f[0]), []byte(f[1]), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// close removes the control groups. Their processes must have ended: the kernel may
// take a moment to let go of them.
func (l *cpuLimiter) close() error {
	for _, dir := range append(l.groups, l.dir) {
		err := os.Remove(dir)
		for until := time.Now().Add(5 * time.Second); err != nil && !errors.Is(err, os.ErrNotExist) && time.Now().Before(until); err = os.Remove(dir) {
			time.Sleep(20 * time.Millisecond)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("a control group stays behind: %w", err)
		}
	}
	return nil
}
