package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"raftkv/kv/raftlog"
	"raftkv/shard"
	"raftkv/shard/controller"
	"raftkv/snapshot"
)

// damaged tells whether err says that a replica's files cannot be trusted.
func damaged(err error) bool {
	return errors.Is(err, raftlog.ErrDamaged) || errors.Is(err, raftlog.ErrHole) || errors.Is(err, snapshot.ErrDamaged)
}

// knowsOthers tells whether the cluster has other nodes, as far as the folder
// remembers.
func (n *Node) knowsOthers() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.identity.Peers) > 0
}

// explain says what to do about damaged files that nobody else has.
func (n *Node) explain(err error) error {
	if !damaged(err) {
		return err
	}
	return fmt.Errorf("%w: no other node is known that has the data; restore the file from a copy, or see what can be read with `raftkv dump`", err)
}

// setAside moves a damaged replica's files away; nothing is deleted. The old id
// must not come back, since votes and entries that it acknowledged may be lost:
// the folder remembers that, and does so first, for after a crash one that is empty
// would be taken for a new replica's. Other groups of the node are not affected.
func (n *Node) setAside(id uint32, replica string, reason error) error {
	dir := n.groupDir(id)
	aside := asideOf(dir)
	n.log.Error("damaged files: the replica is set aside and starts empty; the leader will send the data",
		"topic", "store", "group", id, "replica", replica, "error", reason, "aside", aside)
	if err := keepReplicaFile(dir, aside); err != nil {
		return err
	}
	if err := writeReplica(dir, replicaFile{Replica: replica, Lost: true}); err != nil {
		return err
	}
	return moveFiles(dir, aside)
}

// asideOf returns where the damaged files of a folder go now.
func asideOf(dir string) string {
	return fmt.Sprintf("%s.damaged-%s", dir, time.Now().UTC().Format("20060102T150405.000"))
}

// keepReplicaFile copies a folder's replica.json, which will be written anew.
func keepReplicaFile(dir, aside string) error {
	b, err := os.ReadFile(replicaPath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = os.MkdirAll(aside, 0o755)
	}
	if err == nil {
		err = os.WriteFile(replicaPath(aside), b, 0o644)
	}
	return err
}

// moveFiles moves all that is in a folder but replica.json to another one.
func moveFiles(dir, aside string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if isReplicaFile(f.Name()) {
			continue
		}
		err := os.MkdirAll(aside, 0o755)
		if err == nil {
			err = os.Rename(filepath.Join(dir, f.Name()), filepath.Join(aside, f.Name()))
		}
		if err != nil {
			return err
		}
	}
	return syncDir(dir)
}

// recoverDamaged sets a damaged replica aside and asks for another one, if the group
// has others; else the node stops.
func (n *Node) recoverDamaged(ctx context.Context, placed *shard.Group, replica string, err error) error {
	if !damaged(err) {
		n.fail(err)
		return err
	}
	switch alone, unknown := n.alone(ctx, placed); {
	case unknown != nil:
		return unknown
	case alone:
		n.fail(n.explain(err))
		return err
	}
	if err := n.setAside(placed.ID, replica, err); err != nil {
		return err
	}
	return n.replaceLost(ctx, placed.ID, replica)
}

// alone tells whether nobody but this node has a group. While a node starts it may read
// an old map, from before others came; so the map is asked for as it is now.
func (n *Node) alone(ctx context.Context, placed *shard.Group) (bool, error) {
	if len(placed.Replicas) > 1 {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	m, err := n.readMap(ctx)
	if err != nil {
		return false, fmt.Errorf("who else has the data of damaged files? %w", err)
	}
	g := m.Group(placed.ID)
	return g != nil && len(g.Replicas) < 2, nil
}

// replaceLost asks for a new id for a replica whose files are lost. The map
// brings it.
func (n *Node) replaceLost(ctx context.Context, group uint32, replica string) error {
	_, err := n.control(ctx, controller.Because("its files are lost or damaged", controller.ReplaceReplica(group, replica)))
	return err
}
