package launch

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"
)

// patience is how long signals that cannot be ignored may take.
const patience = 10 * time.Second

// Kill ends a node's process at once, as kill -9 does. Idempotent.
func (c *Cluster) Kill(id string) error { return c.signal(id, syscall.SIGKILL, Dead) }

// Pause stops a node's process, as a machine that hangs. Idempotent; fails with
// ErrNotRunning if there is none.
func (c *Cluster) Pause(id string) error { return c.signal(id, syscall.SIGSTOP, Paused) }

// Resume lets a paused process go on. Idempotent; fails with ErrNotRunning if
// there is none.
func (c *Cluster) Resume(id string) error { return c.signal(id, syscall.SIGCONT, Running) }

// signal sends sig to a node's process and waits until that is in the state.
func (c *Cluster) signal(id string, sig syscall.Signal, until State) error {
	n, err := c.Node(id)
	if err != nil {
		return err
	}
	switch n.State() {
	case until:
		return nil
	case Dead:
		return fmt.Errorf("%s %w", id, ErrNotRunning)
	}
	if err := syscall.Kill(n.PID, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("%v to %s (pid %d): %w", sig, id, n.PID, err)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(poll) {
		switch state := n.State(); {
		case state == until:
			return nil
		case state == Dead:
			return fmt.Errorf("%s (pid %d) has ended meanwhile and %w", id, n.PID, ErrNotRunning)
		case time.Now().After(deadline):
			return fmt.Errorf("%s (pid %d) is %s still, %v after %v", id, n.PID, state, patience, sig)
		}
	}
}

// Stop ends all processes in order, and by force those that do not end within
// grace. It returns how many had run. Idempotent. Who watches the cluster is told.
func (c *Cluster) Stop(grace time.Duration) (int, error) {
	nodes, err := c.Nodes()
	if err != nil {
		return 0, err
	}
	told := c.update(func(f *file) error {
		f.Down = true
		return nil
	})
	n, err := stop(nodes, grace)
	return n, errors.Join(err, told)
}

// StopThose is Stop for some processes alone. It works without the cluster's file.
func (c *Cluster) StopThose(processes []*Process, grace time.Duration) error {
	var nodes []Node
	for _, p := range processes {
		nodes = append(nodes, p.Node)
	}
	_, err := stop(nodes, grace)
	return err
}

func stop(nodes []Node, grace time.Duration) (int, error) {
	running := slices.DeleteFunc(slices.Clone(nodes), func(n Node) bool { return n.State() == Dead })
	for _, n := range running {
		// An error means that it is gone, or shows below.
		syscall.Kill(n.PID, syscall.SIGTERM)
		syscall.Kill(n.PID, syscall.SIGCONT) // a paused process ends only when it goes on
	}
	deadline := time.Now().Add(grace)
	var errs []error
	for _, n := range running {
		for n.State() != Dead && time.Now().Before(deadline) {
			time.Sleep(poll)
		}
		if n.State() == Dead {
			continue
		}
		syscall.Kill(n.PID, syscall.SIGKILL)
		for forced := time.Now().Add(patience); n.State() != Dead && time.Now().Before(forced); {
			time.Sleep(poll)
		}
		if s := n.State(); s != Dead {
			errs = append(errs, fmt.Errorf("%s (pid %d) is %s still, %v after SIGKILL", n.ID, n.PID, s, patience))
			continue
		}
		errs = append(errs, fmt.Errorf("%s did not stop within %v and was killed; see %s", n.ID, grace, n.console()))
	}
	return len(running), errors.Join(errs...)
}
