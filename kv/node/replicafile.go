package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hashicorp/raft"

	"raftkv/kv/raftlog"
)

const replicaFormat = 1

// replicaFile is what a group's folder remembers of its replica: replica.json. It
// is there before anything else is.
type replicaFile struct {
	Format int `json:"format"`
	// Replica is the raft id under which the log and the votes beside it were
	// written. The map makes the ids, and none is ever used again.
	Replica string `json:"replica"`
	// Lost tells that they were damaged and are set aside: the replica must not
	// come back under this id, since it has forgotten what it voted for.
	Lost bool `json:"lost,omitempty"`
}

// groupDir returns the folder of this node's replica of a group.
func (n *Node) groupDir(group uint32) string {
	return filepath.Join(n.config.Dir, "groups", strconv.FormatUint(uint64(group), 10))
}

const replicaName = "replica.json"

func replicaPath(dir string) string { return filepath.Join(dir, replicaName) }

// isReplicaFile tells whether a file of a folder is replica.json, or a half-written one.
func isReplicaFile(name string) bool { return strings.HasPrefix(name, replicaName) }

// readReplica returns nil if the folder has no replica. It fails with
// raftlog.ErrDamaged if it cannot be told which one it has.
func readReplica(dir string) (*replicaFile, error) {
	path := replicaPath(dir)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		files, _ := os.ReadDir(dir)
		for _, f := range files {
			if !isReplicaFile(f.Name()) {
				return nil, fmt.Errorf("%w: %s is missing, so whose files lie beside it is not known", raftlog.ErrDamaged, path)
			}
		}
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	f := new(replicaFile)
	if err := json.Unmarshal(b, f); err != nil {
		return nil, fmt.Errorf("%w: %s does not parse: %v", raftlog.ErrDamaged, path, err)
	}
	if f.Replica == "" && !f.Lost {
		return nil, fmt.Errorf("%w: %s names no replica", raftlog.ErrDamaged, path)
	}
	if f.Format != replicaFormat {
		return nil, fmt.Errorf("%s has format %d, this program knows %d", path, f.Format, replicaFormat)
	}
	return f, nil
}

// writeReplica makes the folder of a replica.
func writeReplica(dir string, f replicaFile) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f.Format = replicaFormat
	if err := writeJSON(replicaPath(dir), f); err != nil {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

// noted returns the replica of a group that node.json has, or "".
func (n *Node) noted(group uint32) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.identity.Replicas[group]
}

// note has node.json remember, or with "" forget, the replica that a group's folder is
// for. It is remembered after the folder has been made and before the replica does
// anything, and forgotten before the folder is deleted: so only what is lost can be
// missing.
func (n *Node) note(group uint32, replica string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	had := n.identity.Replicas
	if had[group] == replica {
		return nil
	}
	next := make(map[uint32]string)
	maps.Copy(next, had)
	if next[group] = replica; replica == "" {
		delete(next, group)
	}
	n.identity.Replicas = next
	err := n.identity.write(n.config.Dir)
	if err != nil {
		n.identity.Replicas = had
	}
	return err
}

// readOwn returns what the folder of a replica says. It fails with raftlog.ErrDamaged
// if the folder is lost.
func (n *Node) readOwn(group uint32, replica string) (*replicaFile, error) {
	dir := n.groupDir(group)
	file, err := readReplica(dir)
	if err == nil && file == nil && replica != "" && n.noted(group) == replica {
		err = fmt.Errorf("%s: %w: the folder of replica %s is gone", dir, raftlog.ErrDamaged, replica)
	}
	return file, err
}

// deletedSuffix marks folders that are being deleted.
const deletedSuffix = ".deleted"

// groupsOnDisk lists the groups that have a folder here, and removes what is left of
// folders that were being deleted.
func (n *Node) groupsOnDisk() ([]uint32, error) {
	entries, err := os.ReadDir(filepath.Join(n.config.Dir, "groups"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var out []uint32
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), deletedSuffix) { // what a crash left of it
			if err := os.RemoveAll(filepath.Join(n.config.Dir, "groups", e.Name())); err != nil {
				return nil, err
			}
			continue
		}
		// Others are folders that were set aside.
		if id, err := strconv.ParseUint(e.Name(), 10, 32); err == nil && e.IsDir() {
			out = append(out, uint32(id))
		}
	}
	return out, err
}

// nodeOf returns the node id within a replica id.
func nodeOf(replica raft.ServerID) string {
	node, _, _ := strings.Cut(string(replica), ".")
	return node
}

// epochOf returns the epoch at which a replica id was made: from then on the map
// has it until it is gone for good.
func epochOf(replica string) uint64 {
	_, epoch, _ := strings.Cut(replica, ".")
	n, _ := strconv.ParseUint(epoch, 10, 64) // an id of no epoch is older than any map
	return n
}
