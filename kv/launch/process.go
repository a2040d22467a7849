package launch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// flagVariables is the prefix of variables that stand for flags of the program.
const flagVariables = "RAFTKV_"

// Process is a node's process that this one has started.
type Process struct {
	Node Node
	done chan struct{}
	err  error
}

// Done is closed when the process has ended; then Err tells how.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err returns how the process ended, nil for exit code 0. It waits for that.
func (p *Process) Err() error {
	<-p.done
	return p.err
}

// Start starts a node's process, if it does not run. Its output goes to
// console.log in the node's folder. It is in a session of its own: a Ctrl-C at
// the terminal does not reach it, and it may outlive this process.
func (c *Cluster) Start(id string) (*Process, error) {
	var started *Process
	err := c.update(func(f *file) error {
		n, err := f.node(id)
		if err != nil {
			return err
		}
		if s := n.State(); s != Dead {
			return fmt.Errorf("%s is %s already (pid %d)", id, s, n.PID)
		}
		started, err = c.spawn(f, n)
		return err
	})
	if err != nil && started != nil {
		// Its pid could not be written down: nobody would find it again.
		syscall.Kill(started.Node.PID, syscall.SIGKILL)
		<-started.Done()
		return nil, err
	}
	return started, err
}

func (c *Cluster) spawn(f *file, n *Node) (*Process, error) {
	env, err := c.env(f)
	if err != nil {
		return nil, err
	}
	args, err := f.args(n)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(n.Dir, 0o755); err != nil {
		return nil, err
	}
	console, err := os.OpenFile(n.console(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer console.Close()
	info, err := console.Stat()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(c.binary, args...)
	cmd.Env = env
	cmd.Stdout, cmd.Stderr = console, console
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	f.Down = false
	n.PID, n.ConsoleFrom = cmd.Process.Pid, info.Size()
	p := &Process{Node: *n, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// env is the environment of nodes. They share this machine's processors, unless
// the user has said how many a node gets and how they are scheduled.
func (c *Cluster) env(f *file) ([]string, error) {
	for _, name := range f.Require {
		if !slices.ContainsFunc(c.environ, func(v string) bool { return strings.HasPrefix(v, name+"=") }) {
			return nil, fmt.Errorf("this cluster was started with %s: set it and try again", name)
		}
	}
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, flagVariables) })
	env = append(env, c.environ...)
	if !slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, processors) }) {
		env = append(env, processors+strconv.Itoa(fairShare(runtime.NumCPU(), len(f.Nodes))), hurry+strconv.Itoa(runtime.NumCPU()))
	}
	if len(f.Nodes) > 1 && !slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, scheduling) }) {
		env = append(env, scheduling+"batch")
	}
	return env, nil
}

// processors is Go's variable for how many threads run Go code at a time.
const processors = "GOMAXPROCS="

// hurry is a variable of `raftkv serve`: a node may use all processors while clients wait
// for its replay, since the others rest then.
const hurry = flagVariables + "HURRY_PROCESSORS="

// scheduling is a variable of `raftkv serve`: its flag says why nodes that share a
// machine should not interrupt each other.
const scheduling = flagVariables + "SCHEDULING="

// fairShare is how many processors one of several nodes on a machine should use.
// If each used all of them, as Go does by default, the nodes' threads would spin
// and wake each other for work that another node has taken meanwhile: three
// nodes on two cores served half as many reads.
func fairShare(processors, nodes int) int {
	return (processors + nodes - 1) / nodes
}

// args is the command line of a node's process. A folder that knows its cluster
// needs to be told nothing.
func (f *file) args(n *Node) ([]string, error) {
	args := []string{"serve", "--id=" + n.ID, n.dataFlag()}
	if !n.hasData() {
		entry, err := f.entry(n)
		if err != nil {
			return nil, err
		}
		args = append(args, "--redis="+n.Redis, "--http="+n.HTTP, "--peer="+n.Peer)
		args = append(args, entry...)
	}
	return append(args, n.Flags...), nil
}

// entry is how a new folder gets into the cluster. The first node begins it, but
// only if there is none yet: if its folder was lost, beginning anew would make a
// second, empty cluster that answers in place of the first.
func (f *file) entry(n *Node) ([]string, error) {
	var members []string
	for _, other := range f.Nodes {
		if other.ID == n.ID {
			continue
		}
		member, err := other.isMember()
		if err != nil {
			return nil, err
		}
		if member {
			members = append(members, other.Peer)
		}
	}
	first := f.Nodes[0]
	switch {
	case len(members) > 0:
		return []string{"--join=" + strings.Join(members, ",")}, nil
	case n.ID == first.ID:
		return []string{"--bootstrap", fmt.Sprint("--groups=", f.Groups), fmt.Sprint("--initial-nodes=", len(f.Nodes))}, nil
	}
	return []string{"--join=" + first.Peer}, nil
}

func (n *Node) identityPath() string { return filepath.Join(n.Dir, "node.json") }

// hasData tells whether the node has run before.
func (n *Node) hasData() bool {
	_, err := os.Stat(n.identityPath())
	return err == nil
}

// isMember tells whether the node's folder belongs to a cluster already.
func (n *Node) isMember() (bool, error) {
	b, err := os.ReadFile(n.identityPath())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var identity struct {
		Cluster string `json:"cluster"` // empty until the node has joined
	}
	if err := json.Unmarshal(b, &identity); err != nil {
		return false, fmt.Errorf("%s does not parse: %w", n.identityPath(), err)
	}
	return identity.Cluster != "", nil
}
