package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
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

func replicaPath(dir string) string { return filepath.Join(dir, "replica.json") }

// readReplica returns nil if the folder has no replica. It fails with
// raftlog.ErrDamaged if it cannot be told which one it has.
func readReplica(dir string) (*replicaFile, error) {
	path := replicaPath(dir)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		files, _ := os.ReadDir(dir)
		for _, f := range files {
			if !strings.HasPrefix(f.Name(), filepath.Base(path)) { // a half-written one
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
	return writeJSON(replicaPath(dir), f)
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
