package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// deadPID returns the id of a process that has ended.
func deadPID(t *testing.T) int {
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}

// What a benchmark that was killed has left goes; what another one uses stays.
func TestLeftoversAreRemoved(t *testing.T) {
	mount := t.TempDir()
	gone := filepath.Join(mount, groupPrefix+fmt.Sprint(deadPID(t)))
	for _, dir := range []string{"123", "4567"} {
		if err := os.MkdirAll(filepath.Join(gone, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var stay []string
	for _, name := range []string{groupPrefix + fmt.Sprint(os.Getpid()), groupPrefix + "x", "other-1"} {
		stay = append(stay, filepath.Join(mount, name))
		if err := os.Mkdir(stay[len(stay)-1], 0o755); err != nil {
			t.Fatal(err)
		}
	}
	removeLeftovers(mount)
	if _, err := os.Stat(gone); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there (%v)", gone, err)
	}
	for _, dir := range stay {
		if _, err := os.Stat(dir); err != nil {
			t.Error(err)
		}
	}
}

// The kernel's own control groups, where this process may make them.
func TestKernelLetsGoOfLeftovers(t *testing.T) {
	l, err := newCPULimiter()
	if errors.Is(err, errNoCgroups) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	held := exec.Command("sleep", "60")
	if err := held.Start(); err != nil {
		t.Fatal(err)
	}
	defer held.Process.Kill()
	mount := filepath.Dir(l.dir)
	killed := &cpuLimiter{dir: filepath.Join(mount, groupPrefix+fmt.Sprint(deadPID(t))), version: l.version}
	if err := os.Mkdir(killed.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	defer killed.close()
	if killed.version == 2 {
		if err := os.WriteFile(filepath.Join(killed.dir, "cgroup.subtree_control"), []byte("+cpu"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := killed.hold(held.Process.Pid, 0.5); err != nil {
		t.Fatal(err)
	}
	removeLeftovers(mount)
	if _, err := os.Stat(killed.groups[0]); err != nil {
		t.Errorf("a process runs in it, but: %v", err)
	}
	held.Process.Kill()
	held.Wait()
	for until := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		removeLeftovers(mount)
		if _, err := os.Stat(killed.dir); errors.Is(err, os.ErrNotExist) {
			return
		}
		if time.Now().After(until) {
			t.Fatal("it stays behind")
		}
	}
}

// The second version's files, as the kernel's documentation (cgroup-v2.rst) names
// them: this cannot be more than a rehearsal where the kernel has the first one.
func TestSecondVersion(t *testing.T) {
	mount := t.TempDir()
	if _, err := newSecond(mount, "a"); err == nil {
		t.Error("a folder without controllers is taken")
	}
	controllers := filepath.Join(mount, "cgroup.controllers")
	for text, works := range map[string]bool{"memory pids\n": false, "cpuset cpu io memory pids\n": true} {
		if err := os.WriteFile(controllers, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		l, err := newSecond(mount, "a")
		if (err == nil) != works {
			t.Fatalf("with %q: %v", text, err)
		}
		if !works {
			continue
		}
		if err := l.hold(4711, 0.25); err != nil {
			t.Fatal(err)
		}
		for file, want := range map[string]string{
			"cgroup.subtree_control": "+cpu", "a/cgroup.subtree_control": "+cpu", "a/4711/cpu.max": "2500 10000", "a/4711/cgroup.procs": "4711",
		} {
			path := filepath.Join(mount, file)
			if got, err := os.ReadFile(path); err != nil || string(got) != want {
				t.Errorf("%s: %q, %v", file, got, err)
			}
			os.Remove(path) // which the kernel does with the group
		}
		if err := l.close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(l.dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s stays behind", l.dir)
		}
	}
}
