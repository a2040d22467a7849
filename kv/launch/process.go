package launch

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
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
	if n.PID <= 0 {
		return Dead
	}
	proc := fmt.Sprintf("/proc/%d/", n.PID)
	cmdline, err := os.ReadFile(proc + "cmdline")
	if err != nil {
		return Dead
	}
	stat, err := os.ReadFile(proc + "stat")
	if err != nil {
		return Dead
	}
	// pid (name) state parent ...; the name may hold anything.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 2 {
		return Dead
	}
	state, parent := fields[0], fields[1]
	if len(cmdline) == 0 {
		// It is ending, unless it is a thread of the kernel. The first thread of a
		// process can be gone while others still hold its files.
		threads, err := os.ReadDir(proc + "task")
		if err != nil || parent == "2" || len(threads) <= 1 && (state == "Z" || state == "X") {
			return Dead
		}
		return Running
	}
	switch {
	case !slices.Contains(strings.Split(string(cmdline), "\x00"), n.dataFlag()):
		return Dead
	case state == "T" || state == "t":
		return Paused
	}
	return Running
}

// args is the command line of the node's process.
func (n *Node) args(first *Node) []string {
	args := []string{"serve", "--id=" + n.ID, n.dataFlag()}
	if _, err := os.Stat(filepath.Join(n.Dir, "node.json")); err != nil {
		args = append(args, "--redis="+n.Redis, "--http="+n.HTTP, "--peer="+n.Peer)
		if n.ID == first.ID {
			args = append(args, "--bootstrap")
		} else {
			args = append(args, "--join="+first.Peer)
		}
	}
	return append(args, n.Flags...)
}

// Process is a node's process that this one has started.
type Process struct {
	Node Node
	done chan struct{}
	err  error
}

// Done is closed when the process has ended; then Err tells how.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err returns how the process ended: nil for exit code 0.
func (p *Process) Err() error {
	<-p.done
	return p.err
}

// Start starts a node's process, if it does not run. Its output goes to
// console.log in the node's folder. It is in a session of its own: a Ctrl-C at
// the terminal does not reach it.
func (c *Cluster) Start(id string) (*Process, error) {
	var started *Process
	err := c.update(func(f *file) error {
		for i := range f.Nodes {
			n := &f.Nodes[i]
			if n.ID != id {
				continue
			}
			if s := n.State(); s != Dead {
				return fmt.Errorf("%s is %s already (pid %d)", id, s, n.PID)
			}
			p, err := c.spawn(n, &f.Nodes[0])
			started = p
			return err
		}
		return fmt.Errorf("there is no node %q", id)
	})
	return started, err
}

func (c *Cluster) spawn(n, first *Node) (*Process, error) {
	if err := os.MkdirAll(n.Dir, 0o755); err != nil {
		return nil, err
	}
	console, err := os.OpenFile(n.console(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer console.Close()
	cmd := exec.Command(c.binary, n.args(first)...)
	cmd.Env = append(os.Environ(), c.environ...)
	cmd.Stdout, cmd.Stderr = console, console
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	n.PID = cmd.Process.Pid
	p := &Process{Node: *n, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

func (n *Node) console() string { return filepath.Join(n.Dir, "console.log") }

// Complaint returns the last lines that the node's process wrote to its console.
func (n *Node) Complaint() string {
	b, err := os.ReadFile(n.console())
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-3):], "\n")
}

// signal sends sig to a node's process and waits until it is in one of the
// states.
func (c *Cluster) signal(id string, sig syscall.Signal, patience time.Duration, until ...State) error {
	n, err := c.Node(id)
	if err != nil {
		return err
	}
	if slices.Contains(until, n.State()) {
		return nil
	}
	if n.State() == Dead {
		return fmt.Errorf("%s does not run; start it with `raftkv node start %s`", id, id)
	}
	if err := syscall.Kill(n.PID, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("%v to %s (pid %d): %w", sig, id, n.PID, err)
	}
	for deadline := time.Now().Add(patience); !slices.Contains(until, n.State()); time.Sleep(poll) {
		if time.Now().After(deadline) {
			return fmt.Errorf("%s (pid %d) is %s still, %v after %v", id, n.PID, n.State(), patience, sig)
		}
	}
	return nil
}

// patience is how long signals that cannot be ignored may take.
const patience = 10 * time.Second

// Kill ends a node's process at once, as kill -9 does. Idempotent.
func (c *Cluster) Kill(id string) error { return c.signal(id, syscall.SIGKILL, patience, Dead) }

// Pause stops a node's process, as a machine that hangs. Idempotent.
func (c *Cluster) Pause(id string) error { return c.signal(id, syscall.SIGSTOP, patience, Paused) }

// Resume lets a paused process go on. Idempotent.
func (c *Cluster) Resume(id string) error { return c.signal(id, syscall.SIGCONT, patience, Running) }

// Stop ends all processes in order, and by force those that do not end within
// grace. It returns how many had run. Idempotent.
func (c *Cluster) Stop(grace time.Duration) (int, error) {
	nodes, err := c.Nodes()
	if err != nil {
		return 0, err
	}
	return c.stop(nodes, grace)
}

// StopThose is Stop for some processes alone.
func (c *Cluster) StopThose(processes []*Process, grace time.Duration) error {
	var nodes []Node
	for _, p := range processes {
		nodes = append(nodes, p.Node)
	}
	_, err := c.stop(nodes, grace)
	return err
}

func (c *Cluster) stop(nodes []Node, grace time.Duration) (int, error) {
	var running []Node
	for _, n := range nodes {
		if n.State() == Dead {
			continue
		}
		running = append(running, n)
		syscall.Kill(n.PID, syscall.SIGTERM)
		syscall.Kill(n.PID, syscall.SIGCONT) // a paused process ends only when it goes on
	}
	deadline := time.Now().Add(grace)
	var errs []error
	for _, n := range running {
		for n.State() != Dead && time.Now().Before(deadline) {
			time.Sleep(poll)
		}
		if n.State() != Dead {
			errs = append(errs, fmt.Errorf("%s did not stop within %v and was killed", n.ID, grace), c.Kill(n.ID))
		}
	}
	return len(running), errors.Join(errs...)
}
