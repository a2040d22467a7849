// Package launch runs the nodes of a local cluster as processes of their own,
// so that each can be killed, paused and started again as on machines of their
// own. What it knows stands in a file in the cluster's folder: any process can
// take over from there.
package launch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ErrNoCluster: the folder has no cluster that was made by `raftkv up`.
var ErrNoCluster = errors.New("there is no cluster here")

const (
	fileName   = "cluster.json"
	fileFormat = 1
)

// Node is one server process of a local cluster.
type Node struct {
	ID    string   `json:"id"`
	Dir   string   `json:"dir"` // data folder, absolute
	Redis string   `json:"redis"`
	HTTP  string   `json:"http"`
	Peer  string   `json:"peer"`
	Flags []string `json:"flags,omitempty"` // of `raftkv serve`, beside the ones above
	PID   int      `json:"pid,omitempty"`   // of the last process; see State
}

// file is the content of cluster.json.
type file struct {
	Format int    `json:"format"`
	Nodes  []Node `json:"nodes"`
}

// Cluster is a local cluster. Several processes may use one at the same time.
// The methods of a Cluster may be called from any goroutine.
type Cluster struct {
	dir     string
	binary  string
	environ []string // beside this process's
}

// Spec says what a new cluster is made of.
type Spec struct {
	Nodes                         int
	RedisPort, HTTPPort, PeerPort int // of the first node; the others count up
	Flags                         []string
}

// Open returns the cluster in dir. Its nodes are run with the program binary, with
// environ added to this process's environment.
func Open(dir, binary string, environ ...string) (*Cluster, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	return &Cluster{dir: abs, binary: binary, environ: environ}, nil
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
	nodes, err := c.Nodes()
	if err != nil {
		return Node{}, err
	}
	var ids []string
	for _, n := range nodes {
		if n.ID == id {
			return n, nil
		}
		ids = append(ids, n.ID)
	}
	return Node{}, fmt.Errorf("there is no node %q: there are %v", id, ids)
}

// Create records the nodes of a new cluster; they are started by Start.
func (c *Cluster) Create(spec Spec) error {
	if spec.Nodes < 1 || spec.Nodes > 100 {
		return fmt.Errorf("%d nodes: take 1 to 100, best an odd number", spec.Nodes)
	}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return err
	}
	return c.update(func(f *file) error {
		if len(f.Nodes) > 0 {
			return fmt.Errorf("%s has a cluster already", c.dir)
		}
		for i := range spec.Nodes {
			id := fmt.Sprintf("n%d", i+1)
			f.Nodes = append(f.Nodes, Node{
				ID: id, Dir: filepath.Join(c.dir, id), Flags: spec.Flags,
				Redis: local(spec.RedisPort + i), HTTP: local(spec.HTTPPort + i), Peer: local(spec.PeerPort + i),
			})
		}
		return nil
	})
}

// SetFlags replaces the flags that nodes are started with from now on.
func (c *Cluster) SetFlags(flags []string) error {
	return c.update(func(f *file) error {
		for i := range f.Nodes {
			f.Nodes[i].Flags = flags
		}
		return nil
	})
}

// SetFlagsOf replaces the flags of one node.
func (c *Cluster) SetFlagsOf(id string, flags []string) error {
	return c.update(func(f *file) error {
		for i := range f.Nodes {
			if f.Nodes[i].ID == id {
				f.Nodes[i].Flags = flags
				return nil
			}
		}
		return fmt.Errorf("there is no node %q", id)
	})
}

func local(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

func (c *Cluster) read() (file, error) {
	var f file
	path := filepath.Join(c.dir, fileName)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, fmt.Errorf("%s: %w: start one with `raftkv up`", c.dir, ErrNoCluster)
	}
	if err != nil {
		return f, err
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return f, fmt.Errorf("%s does not parse: %w", path, err)
	}
	if f.Format != fileFormat {
		return f, fmt.Errorf("%s has format %d, this program knows %d", path, f.Format, fileFormat)
	}
	return f, nil
}

// update changes the file, one process at a time. The change is whole or none.
func (c *Cluster) update(change func(*file) error) error {
	lock, err := os.OpenFile(filepath.Join(c.dir, fileName+".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return err
	}
	f, err := c.read()
	if err != nil && !errors.Is(err, ErrNoCluster) {
		return err
	}
	f.Format = fileFormat
	if err := change(&f); err != nil {
		return err
	}
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(c.dir, fileName)
	if err := os.WriteFile(path+".tmp", append(b, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}
