package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// conditions are what numbers depend on beside the systems.
type conditions struct {
	CPU        string            `json:"cpu"`
	Cores      int               `json:"cores"`
	FileSystem string            `json:"file_system"`
	Sync       time.Duration     `json:"write_4k_and_fdatasync_ns"` // median
	Versions   map[string]string `json:"versions"`
}

// look finds out, and measures the disk that dir is on.
func look(dir string) (conditions, error) {
	c := conditions{CPU: cpuName(), Cores: runtime.NumCPU(), FileSystem: fileSystem(dir), Versions: versions()}
	var err error
	c.Sync, err = syncTime(dir)
	return c, err
}

func (c conditions) String() string {
	warning := ""
	if c.FileSystem == "tmpfs" {
		warning = ", which is MEMORY: syncs cost nothing there; take a folder on a disk with -dir"
	}
	return fmt.Sprintf("%d cores (%s) shared by servers and generator; %s%s, 4 KiB write + fdatasync %s ms; etcd %s, redis %s, %s\n",
		c.Cores, c.CPU, c.FileSystem, warning, ms(c.Sync), c.Versions["etcd"], c.Versions["redis"], runtime.Version())
}

func cpuName() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
		}
	}
	return runtime.GOARCH
}

func fileSystem(dir string) string {
	var s unix.Statfs_t
	if unix.Statfs(dir, &s) != nil {
		return "unknown file system"
	}
	switch s.Type {
	case unix.EXT4_SUPER_MAGIC:
		return "ext4"
	case unix.XFS_SUPER_MAGIC:
		return "xfs"
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs"
	case unix.TMPFS_MAGIC:
		return "tmpfs"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlayfs"
	}
	return fmt.Sprintf("file system %#x", s.Type)
}

// syncTime measures how long it takes to append 4 KiB durably, on average about
// what one small raft entry costs.
func syncTime(dir string) (time.Duration, error) {
	f, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	block := make([]byte, 4<<10)
	var took []float64
	for range 200 {
		start := time.Now()
		if _, err := f.Write(block); err != nil {
			return 0, err
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			return 0, err
		}
		took = append(took, float64(time.Since(start)))
	}
	return time.Duration(spreadOf(took).median), nil
}

func versions() map[string]string {
	v := map[string]string{"etcd": "?", "redis": "not installed"}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "go.etcd.io/etcd/server/v3" {
				v["etcd"] = m.Version
			}
		}
	}
	if out, err := exec.Command("redis-server", "--version").Output(); err == nil {
		for _, word := range strings.Fields(string(out)) {
			if number, ok := strings.CutPrefix(word, "v="); ok {
				v["redis"] = number
			}
		}
	}
	return v
}
