package node

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const identityFormat = 2

// identity is what a data folder remembers of its node: node.json.
type identity struct {
	Format  int    `json:"format"`
	Cluster string `json:"cluster"` // id of the cluster; empty until the node has joined
	ID      string `json:"id"`
	// Incarnation was made with the folder. A node that comes back with another one
	// has lost its replicas: what they had voted for and acknowledged is forgotten.
	Incarnation string `json:"incarnation"`
	Redis       string `json:"redis"`
	HTTP        string `json:"http"`
	Peer        string `json:"peer"`
	// Bootstrap tells that the node may begin the cluster: the controller's group
	// with itself as the only member. It ends once that group knows the node.
	Bootstrap bool `json:"bootstrap,omitempty"`
	// Initial is what the cluster shall begin with. Every node keeps it, since any
	// of them may lead the controller's group when it is time.
	Initial initial `json:"initial"`
	// Peers are the peer addresses of the other nodes, for finding the cluster
	// again when the map cannot tell.
	Peers []string `json:"peers,omitempty"`
	// Replicas are the replicas that have a folder here, by group. One whose folder is
	// gone without a word here has lost what it had voted for and acknowledged; without
	// this it would look like one that is new.
	Replicas map[uint32]string `json:"replicas,omitempty"`
}

// initial says when a new cluster gets its first groups, and how many.
type initial struct {
	Groups int `json:"groups"` // 0: as many as nodes
	Nodes  int `json:"nodes"`  // how many nodes there must be
}

// groups returns how many groups to begin with.
func (i initial) groups() int {
	if i.Groups > 0 {
		return i.Groups
	}
	return max(i.Nodes, 1)
}

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails (crypto/rand)
	return hex.EncodeToString(b)
}

func identityPath(dir string) string { return filepath.Join(dir, "node.json") }

// readIdentity returns nil if the folder has never had a node.
func readIdentity(dir string) (*identity, error) {
	path := identityPath(dir)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	id := new(identity)
	if err := json.Unmarshal(b, id); err != nil {
		return nil, fmt.Errorf("%s does not parse: %w", path, err)
	}
	if id.Format != identityFormat {
		return nil, fmt.Errorf("%s has format %d, this program knows %d", path, id.Format, identityFormat)
	}
	if id.ID == "" || id.Incarnation == "" {
		return nil, fmt.Errorf("%s names no node", path)
	}
	return id, nil
}

// write replaces node.json durably: a crash leaves the old or the new one.
func (id *identity) write(dir string) error { return writeJSON(identityPath(dir), id) }

// writeJSON replaces a file durably: a crash leaves the old or the new one.
func writeJSON(path string, content any) error {
	b, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(append(b, '\n'))
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err == nil {
		err = syncDir(dir)
	}
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// lockDir makes sure that one process uses the folder. The lock goes with the
// process, however it ends.
func lockDir(dir string) (*os.File, error) {
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		pid, _ := os.ReadFile(path)
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("the data folder %s is in use by another raftkv process (pid %s): give this one a folder of its own", dir, strings.TrimSpace(string(pid)))
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if err := f.Truncate(0); err == nil {
		_, err = fmt.Fprintf(f, "%d\n", os.Getpid())
		if err != nil {
			f.Close()
			return nil, err
		}
	}
	return f, nil
}
