// Package launch runs the nodes of a local cluster as processes of their own,
// so that each can be killed, paused and started again as on machines of their
// own. What it knows stands in a file in the cluster's folder: any process can
// take over from there.
package launch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Errors that callers may want to explain.
var (
	// ErrNoCluster: the folder has no cluster that was made by `raftkv up`.
	ErrNoCluster = errors.New("there is no cluster here")
	// ErrNotRunning: the node's process has ended.
	ErrNotRunning = errors.New("does not run")
)

// Node is one server process of a local cluster.
type Node struct {
	ID    string   `json:"id"`
	Dir   string   `json:"dir"` // data folder, absolute: always in the cluster's folder, even after that was moved
	Redis string   `json:"redis"`
	HTTP  string   `json:"http"`
	Peer  string   `json:"peer"`
	Flags []string `json:"flags,omitempty"` // of `raftkv serve`, beside the ones above; as --name=value
	PID   int      `json:"pid,omitempty"`   // of the last process; see State
	// ConsoleFrom is where in console.log the last process's output begins.
	ConsoleFrom int64 `json:"console_from,omitempty"`
}

// Cluster is a local cluster. Several processes may use one at the same time.
// The methods of a Cluster may be called from any goroutine.
type Cluster struct {
	dir     string
	binary  string
	environ []string // for the nodes, beside this process's
}

// Spec says what a new cluster is made of.
type Spec struct {
	Nodes                         int
	Groups                        int // raft groups to begin with; 0: as many as nodes
	RedisPort, HTTPPort, PeerPort int // of the first node; the others count up
	Flags                         []string
}

// Open returns the cluster in dir. Its nodes are run with the program binary and
// this process's environment, without the RAFTKV_* variables there (they are
// flags of this command, not of the nodes), and with environ.
func Open(dir, binary string, environ ...string) (*Cluster, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	return &Cluster{dir: resolve(abs), binary: binary, environ: environ}, nil
}

// resolve follows symbolic links as far as path exists: processes are recognized
// by their folder, which therefore needs one name.
func resolve(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	parent := filepath.Dir(path)
	if parent == path {
		return path
	}
	return filepath.Join(resolve(parent), filepath.Base(path))
}

// Dir returns the cluster's folder.
func (c *Cluster) Dir() string { return c.dir }

// Nodes lists the nodes. It fails with ErrNoCluster if none was created yet.
func (c *Cluster) Nodes() ([]Node, error) {
	f, err := c.read()
	return f.Nodes, err
}

// Node returns one of the nodes.
func (c *Cluster) Node(id string) (Node, error) {
	f, err := c.read()
	if err != nil {
		return Node{}, err
	}
	n, err := f.node(id)
	if err != nil {
		return Node{}, err
	}
	return *n, nil
}

// Create records the nodes of a new cluster; they are started by Start. A cluster
// that was recorded but never began, as when its ports were in use, is replaced.
func (c *Cluster) Create(spec Spec) error {
	if err := spec.Check(); err != nil {
		return err
	}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return err
	}
	return c.update(func(f *file) error {
		if f.begun() {
			return fmt.Errorf("%s has a cluster already", c.dir)
		}
		f.Nodes, f.Groups = nil, spec.Groups
		for i := range spec.Nodes {
			id := fmt.Sprintf("n%d", i+1)
			f.Nodes = append(f.Nodes, Node{
				ID: id, Dir: filepath.Join(c.dir, id), Flags: slices.Clone(spec.Flags),
				Redis: local(spec.RedisPort + i), HTTP: local(spec.HTTPPort + i), Peer: local(spec.PeerPort + i),
			})
		}
		return nil
	})
}

// Check refuses ports that do not exist or that two listeners would share.
func (s *Spec) Check() error {
	if s.Nodes < 1 || s.Nodes > 100 {
		return fmt.Errorf("%d nodes: take 1 to 100, best an odd number", s.Nodes)
	}
	if s.Groups < 0 || s.Groups > 1024 {
		return fmt.Errorf("%d groups: take up to 1024, or 0 for as many as nodes", s.Groups)
	}
	used := make(map[int]string)
	for _, ports := range []struct {
		name  string
		first int
	}{{"redis", s.RedisPort}, {"http", s.HTTPPort}, {"peer", s.PeerPort}} {
		for i := range s.Nodes {
			port, user := ports.first+i, fmt.Sprintf("%s of n%d", ports.name, i+1)
			if port < 1 || port > 65535 {
				return fmt.Errorf("port %d (%s): ports go from 1 to 65535", port, user)
			}
			if other := used[port]; other != "" {
				return fmt.Errorf("port %d would be both %s and %s: %d nodes take as many consecutive ports of each kind", port, other, user, s.Nodes)
			}
			used[port] = user
		}
	}
	return nil
}

// Groups returns how many raft groups the cluster began with, 0 for as many as
// nodes.
func (c *Cluster) Groups() (int, error) {
	f, err := c.read()
	return f.Groups, err
}

// Begun tells whether a node of the cluster has ever run, or runs now: then the
// folder holds data.
func (c *Cluster) Begun() (bool, error) {
	f, err := c.read()
	return f.begun(), err
}

// SetFlags replaces the flags that all nodes are started with from now on.
func (c *Cluster) SetFlags(flags []string) error {
	return c.eachFlags(func([]string) []string { return slices.Clone(flags) })
}

// AddFlags is SetFlags for some flags alone: those of other names stay. A log
// store that was chosen once must be named at every start.
func (c *Cluster) AddFlags(flags []string) error {
	return c.eachFlags(func(old []string) []string { return merge(old, flags) })
}

func (c *Cluster) eachFlags(change func(old []string) []string) error {
	return c.update(func(f *file) error {
		for i := range f.Nodes {
			f.Nodes[i].Flags = change(f.Nodes[i].Flags)
		}
		return nil
	})
}

func merge(old, new []string) []string {
	name := func(flag string) string { before, _, _ := strings.Cut(flag, "="); return before }
	out := slices.DeleteFunc(slices.Clone(old), func(o string) bool {
		return slices.ContainsFunc(new, func(n string) bool { return name(n) == name(o) })
	})
	return append(out, new...)
}

// SetFlagsOf replaces all flags of one node.
func (c *Cluster) SetFlagsOf(id string, flags []string) error {
	return c.update(func(f *file) error {
		n, err := f.node(id)
		if err == nil {
			n.Flags = slices.Clone(flags)
		}
		return err
	})
}

// Require names the variables without which no node may be started from now on,
// such as the password's: a node started without it would let anyone in.
func (c *Cluster) Require(variables ...string) error {
	return c.update(func(f *file) error {
		f.Require = variables
		return nil
	})
}

func local(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
