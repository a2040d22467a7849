package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"raftkv/kv/loadgen"
)

// system is a store that is measured, with all its processes on this machine.
type system interface {
	name() string
	// start starts all nodes, for the first time or again on their data. It does
	// not wait until they serve.
	start(ctx context.Context) error
	startNode(ctx context.Context, node int) error
	// kill ends nodes as kill -9 does; none given: all.
	kill(nodes ...int) error
	// pids returns the processes by node. alive fails if one has ended.
	pids() []int
	alive() error
	// target is what load goes to; made for each run, when the system serves.
	target(ctx context.Context, clients int) (target, error)
	// await returns when a linearizable read, or a write, has succeeded at a node
	// other than those given, and says at which node.
	await(ctx context.Context, kind loadgen.Kind, but ...int) (node int, err error)
	// pipelines says whether a connection may send a command before the reply to
	// the last.
	pipelines() bool
	leader(ctx context.Context) (int, error)
}

// target is a load target that holds something until Close.
type target interface {
	loadgen.Target
	Close() error
}

// The names of systems, in the order of tables.
const (
	raftkvWAL  = "raftkv"
	raftkvBolt = "raftkv-boltdb"
	etcdName   = "etcd"
	redisName  = "redis"
)

var allSystems = []string{raftkvWAL, raftkvBolt, etcdName, redisName}

// lab makes systems, each in a folder of its own.
type lab struct {
	dir    string // removed at the end
	binary string // of raftkv
	ports  ports
	made   []system
}

// newLab prepares a folder below base and builds raftkv unless binary names it.
func newLab(ctx context.Context, base, binary string) (*lab, error) {
	dir, err := os.MkdirTemp(base, "raftkv-bench-")
	if err != nil {
		return nil, err
	}
	l := &lab{dir: dir, binary: binary}
	if binary != "" {
		l.binary, err = filepath.Abs(binary)
		if _, missing := os.Stat(l.binary); err == nil {
			err = missing
		}
	} else {
		l.binary = filepath.Join(dir, "raftkv")
		build := exec.CommandContext(ctx, "go", "build", "-o", l.binary, "raftkv/cmd/raftkv")
		if out, failed := build.CombinedOutput(); failed != nil {
			err = fmt.Errorf("build raftkv (or name a binary with -raftkv): %w\n%s", failed, out)
		}
	}
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return l, nil
}

// close kills all systems and removes their data.
func (l *lab) close() {
	for _, s := range slices.Clone(l.made) {
		l.drop(s)
	}
	os.RemoveAll(l.dir)
}

// drop kills a system and removes its data.
func (l *lab) drop(s system) {
	if err := s.kill(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	os.RemoveAll(filepath.Join(l.dir, s.name()))
	l.made = slices.DeleteFunc(l.made, func(other system) bool { return other == s })
}

// system makes a system and starts it. Flags are for raftkv's nodes.
func (l *lab) system(ctx context.Context, name string, flags ...string) (system, error) {
	dir := filepath.Join(l.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	var s system
	var err error
	switch name {
	case raftkvWAL:
		s, err = newRaftkv(name, dir, l.binary, &l.ports, nodes, 1, flags)
	case raftkvBolt:
		s, err = newRaftkv(name, dir, l.binary, &l.ports, nodes, 1, append(slices.Clone(flags), "--log-store=boltdb"))
	case etcdName:
		s, err = newEtcd(dir, &l.ports)
	case redisName:
		s, err = newRedis(dir, &l.ports)
	default:
		return nil, fmt.Errorf("there is no system %q: there are %v", name, allSystems)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	l.made = append(l.made, s)
	if err := s.start(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return s, serving(ctx, s)
}

// servingTimeout bounds how long a system may take until it serves.
const servingTimeout = 2 * time.Minute

// serving waits until a system has served for a moment without a break.
func serving(ctx context.Context, s system) error {
	ctx, cancel := context.WithTimeout(ctx, servingTimeout)
	defer cancel()
	const calm = 500 * time.Millisecond
	leader, since := -1, time.Time{}
	for {
		if err := s.alive(); err != nil {
			return err
		}
		if _, err := s.await(ctx, loadgen.Write); err != nil {
			return fmt.Errorf("%s does not serve: %w", s.name(), err)
		}
		node, err := s.leader(ctx)
		if err != nil {
			return fmt.Errorf("%s does not serve: %w", s.name(), err)
		}
		if node != leader {
			leader, since = node, time.Now()
		}
		if time.Since(since) > calm {
			return nil
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// pause stops a system's processes, so that they use no CPU while another one
// is measured, and resume lets them go on.
func pause(s system) error { return send(syscall.SIGSTOP, s.pids()) }

func resume(s system) error {
	if err := s.alive(); err != nil {
		return err
	}
	return send(syscall.SIGCONT, s.pids())
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
