package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// apart watches a process of the machine, such as a thread of the kernel's, that takes a
// processor from time to time. What it does to all systems alike can then be told from
// what a system does. Without a name it watches nothing.
type apart struct {
	name string
	pid  int

	all sync.WaitGroup
	ran []window // when it ran; to be read after wait
	err error
}

const (
	// apartPause is how often it is looked at.
	apartPause = 2 * time.Millisecond
	// apartTick is how late the kernel counts what runs, at most: at its timer's tick.
	apartTick = 10 * time.Millisecond
)

// newApart finds the process.
func newApart(name string) (*apart, error) {
	if name == "" {
		return new(apart), nil
	}
	names, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		return nil, err
	}
	for _, path := range names {
		comm, err := os.ReadFile(path)
		if err != nil || strings.TrimSpace(string(comm)) != name {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		return &apart{name: name, pid: pid}, err
	}
	return nil, fmt.Errorf("no process is called %q (-apart takes a name that `ps -eo comm` shows)", name)
}

// watch follows the process until ctx ends.
func (a *apart) watch(ctx context.Context) {
	if a.pid == 0 {
		return
	}
	a.all.Go(func() {
		last, err := ranFor(a.pid)
		for from := time.Now(); err == nil && sleep(ctx, apartPause) == nil; {
			var now time.Duration
			if now, err = ranFor(a.pid); now > last {
				a.ran = append(a.ran, window{from.Add(-apartTick), time.Now()})
			}
			last, from = now, time.Now()
		}
		a.err = err
	})
}

// wait waits for the end of watch.
func (a *apart) wait() error {
	a.all.Wait()
	return a.err
}

// ranFor returns how long a process has had a processor.
func ranFor(pid int) (time.Duration, error) {
	path := fmt.Sprintf("/proc/%d/schedstat", pid)
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	ran, _, _ := strings.Cut(string(b), " ")
	ns, err := strconv.ParseInt(ran, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return time.Duration(ns), nil
}
