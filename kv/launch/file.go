package launch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	fileName   = "cluster.json"
	fileFormat = 1
)

// file is the content of cluster.json.
type file struct {
	Format  int      `json:"format"`
	Require []string `json:"require,omitempty"` // variables; see Cluster.Require
	Groups  int      `json:"groups,omitempty"`  // to begin with; see Spec
	Down    bool     `json:"down,omitempty"`    // stopped on purpose, and nothing was started since
	Nodes   []Node   `json:"nodes"`
}

// node returns the node itself, for changing it.
func (f *file) node(id string) (*Node, error) {
	var ids []string
	for i := range f.Nodes {
		if f.Nodes[i].ID == id {
			return &f.Nodes[i], nil
		}
		ids = append(ids, f.Nodes[i].ID)
	}
	return nil, fmt.Errorf("there is no node %q: there are %s", id, strings.Join(ids, ", "))
}

func (f *file) begun() bool {
	for _, n := range f.Nodes {
		if n.hasData() || n.State() != Dead {
			return true
		}
	}
	return false
}

func (c *Cluster) read() (file, error) {
	var f file
	path := filepath.Join(c.dir, fileName)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, fmt.Errorf("%s: %w: start one with `raftkv up --data %s`", c.dir, ErrNoCluster, c.dir)
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
	for i := range f.Nodes {
		// A folder may be moved or copied: its nodes must not use the old one's data.
		f.Nodes[i].Dir = filepath.Join(c.dir, f.Nodes[i].ID)
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
	return f.write(filepath.Join(c.dir, fileName))
}

func (f *file) write(path string) error {
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	tmp, err := os.OpenFile(path+".tmp", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = tmp.Write(append(b, '\n'))
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
