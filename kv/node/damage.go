package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"raftkv/kv/group"
	"raftkv/kv/raftlog"
	"raftkv/snapshot"
)

// damaged tells whether err says that a replica's files cannot be trusted.
func damaged(err error) bool {
	return errors.Is(err, raftlog.ErrDamaged) || errors.Is(err, raftlog.ErrHole) || errors.Is(err, snapshot.ErrDamaged)
}

// openGroup opens a replica. If its files are damaged and other nodes have the
// data, the folder is set aside and the replica starts empty under a new id: a
// follower then recovers from the leader. The old id must not come back, since
// votes and entries that it acknowledged may be lost. Nothing is deleted.
func (n *Node) openGroup(id uint32, bootstrap bool) (*group.Group, error) {
	dir := filepath.Join(n.config.Dir, "groups", fmt.Sprint(id))
	g, err := group.Open(n.groupConfig(id, dir, bootstrap))
	if err == nil || !damaged(err) {
		return g, err
	}
	if len(n.identity.Peers) == 0 {
		return nil, fmt.Errorf("%w: no other node is known that has the data; restore the file from a copy, or see what can be read with `raftkv dump`", err)
	}
	aside := fmt.Sprintf("%s.damaged-%s", dir, time.Now().UTC().Format("20060102T150405.000"))
	n.log.Error("damaged files: the replica is set aside and starts empty; the leader will send the data",
		"topic", "store", "group", id, "error", err, "aside", aside)
	if err := os.Rename(dir, aside); err != nil {
		return nil, err
	}
	n.identity.Replica = newReplica(n.config.ID)
	n.identity.Joined = false
	if err := n.identity.write(n.config.Dir); err != nil {
		return nil, err
	}
	return group.Open(n.groupConfig(id, dir, false))
}
