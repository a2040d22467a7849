package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/hashicorp/raft"

	"raftkv/kv/group"
	"raftkv/shard"
)

// openAll opens the replicas that the folder has, before the network serves; those that
// are empty are openPlaced's. The node that begins a cluster makes the controller's group here.
func (n *Node) openAll() error {
	file, err := n.readOwn(shard.Controller, n.noted(shard.Controller))
	if damaged(err) && n.knowsOthers() {
		file, err = nil, n.setAside(shard.Controller, "", err)
	}
	if err != nil {
		return n.explain(err)
	}
	if file == nil && n.identity.Bootstrap {
		// The controller's group gives its first node this very id.
		file = &replicaFile{Replica: n.config.ID + ".1"}
		if err := writeReplica(n.groupDir(shard.Controller), *file); err != nil {
			return err
		}
	}
	if file != nil && !file.Lost {
		if err := n.note(shard.Controller, file.Replica); err != nil {
			return err
		}
		if err := n.openController(file.Replica); err != nil {
			return err
		}
	}
	ids, err := n.groupsOnDisk()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if id == shard.Controller {
			continue
		}
		switch err := n.openKept(id); {
		case err == nil:
		case errors.Is(err, group.ErrEmpty):
			// It may be a founder that a crash has kept from founding, which needs the map.
		case damaged(err) && n.knowsOthers():
			// Whether others have the data, the map tells, which must come first.
			n.log.Error("damaged files: the replica stays closed until the map tells who has its data",
				"topic", "store", "group", id, "error", err)
		default:
			return n.explain(err)
		}
	}
	return nil
}

// openKept opens the replica that a group's folder has.
func (n *Node) openKept(id uint32) error {
	file, err := readReplica(n.groupDir(id))
	if err != nil || file == nil || file.Lost {
		return err
	}
	if err := n.note(id, file.Replica); err != nil {
		return err
	}
	config := n.groupConfig(id, file.Replica, nil)
	config.NotEmpty = true
	g, err := group.Open(config)
	if err == nil {
		n.addGroup(g)
	}
	return err
}

// openController opens this node's replica of group 0.
func (n *Node) openController(replica string) error {
	var founders []raft.Server
	if n.identity.Bootstrap {
		founders = []raft.Server{{ID: raft.ServerID(replica), Address: raft.ServerAddress(n.config.Peer)}}
	}
	g, err := group.Open(n.groupConfig(shard.Controller, replica, founders))
	switch {
	case err == nil:
		n.place.Store(&place{Replica: replica})
		n.addGroup(g)
		return nil
	case damaged(err) && n.knowsOthers():
		return n.setAside(shard.Controller, replica, err) // keepPlace asks for another id
	}
	return n.explain(err)
}

func (n *Node) addGroup(g *group.Group) {
	groups := append(slices.Clone(*n.groups.Load()), g)
	slices.SortFunc(groups, func(a, b *group.Group) int { return int(a.ID()) - int(b.ID()) })
	n.groups.Store(&groups)
	n.nudge()
}

// alignReplicas opens the replicas that the map places here, and closes and
// deletes those that it no longer does. It is the only one to do so while the
// node runs.
func (n *Node) alignReplicas(ctx context.Context) {
	n.alignController(ctx)
	m := n.shardMap()
	if n.recorded(m) {
		for _, g := range *n.groups.Load() {
			if g.ID() != shard.Controller {
				n.logFailure("a replica is not closed yet", g.ID(), n.closeGone(ctx, m, g))
			}
		}
		for i := range m.Groups {
			g := &m.Groups[i]
			if r := g.On(n.config.ID); r != nil && g.ID != shard.Controller && n.group(g.ID) == nil {
				n.logFailure("a replica is not open yet", g.ID, n.openPlaced(ctx, g, r.ID))
			}
		}
	}
	n.retable()
}

// alignController opens the replica of group 0 that keepPlace has asked for.
func (n *Node) alignController(ctx context.Context) {
	want := n.place.Load().Replica
	g := n.group(shard.Controller)
	if want == "" || g != nil && string(g.Replica()) == want {
		return
	}
	if g != nil {
		n.log.Warn("the replica of the controller's group was replaced while this node was away: it starts empty",
			"topic", "membership", "group", shard.Controller, "replica", g.Replica(), "successor", want)
		if err := n.removeGroup(g); err != nil {
			n.logFailure("a replica is not closed yet", shard.Controller, err)
			return
		}
	}
	err := n.makeFolder(shard.Controller, want)
	if err == nil {
		err = n.openController(want)
	}
	n.logFailure("a replica is not open yet", shard.Controller, err)
}

// closeGone closes a replica and deletes its folder, if the map says that it is
// gone and the group has let it go.
//
// Even an old map may be believed in this: a replica id is in all maps from the
// epoch that made it until it is gone, and never again. So one that is missing
// from a map of that epoch or a later one will never be needed.
func (n *Node) closeGone(ctx context.Context, m *shard.Map, g *group.Group) error {
	id := string(g.Replica())
	group := m.Group(g.ID())
	if m.Epoch < epochOf(id) {
		return nil
	}
	if group != nil {
		if r := group.On(n.config.ID); r != nil && r.ID == id {
			return nil
		}
		// While raft counts on the replica, it must go on: the quorum may need it.
		ids, err := n.askMembers(ctx, g.ID())
		if err != nil || slices.Contains(ids, id) {
			return err
		}
	}
	n.log.Info("the replica has moved away: it is closed and its data deleted", "topic", "membership", "group", g.ID(), "replica", id, "epoch", m.Epoch)
	return n.removeGroup(g)
}

// removeGroup closes a replica and deletes its folder.
func (n *Node) removeGroup(g *group.Group) error {
	rest := slices.DeleteFunc(slices.Clone(*n.groups.Load()), func(other *group.Group) bool { return other == g })
	n.groups.Store(&rest)
	n.retable() // no command begins here any more
	if err := g.Close(); err != nil {
		n.log.Warn("a replica was not closed in order", "topic", "membership", "group", g.ID(), "error", err)
	}
	return n.deleteFolder(g.ID())
}

// deleteFolder deletes a group's folder, under another name: were only a part of
// it left after a crash, that would be taken for damage.
func (n *Node) deleteFolder(group uint32) error {
	dir := n.groupDir(group)
	gone := dir + deletedSuffix
	if err := errors.Join(n.note(group, ""), os.RemoveAll(gone)); err != nil {
		return err
	}
	if err := os.Rename(dir, gone); err != nil {
		return err
	}
	return os.RemoveAll(gone)
}

// makeFolder makes the folder of a new replica, and has node.json remember it.
func (n *Node) makeFolder(group uint32, replica string) error {
	if err := n.clearFolder(group, replica); err != nil {
		return err
	}
	return n.note(group, replica)
}

// clearFolder makes the folder of a new replica. What lies there belongs to an
// earlier one that is gone.
func (n *Node) clearFolder(group uint32, replica string) error {
	dir := n.groupDir(group)
	file, err := readReplica(dir)
	switch {
	case err != nil:
		return err
	case file != nil && file.Replica == replica && !file.Lost:
		return nil
	case file != nil && file.Lost: // a crash may have left damaged files in it
		if err := moveFiles(dir, asideOf(dir)); err != nil {
			return err
		}
	case file != nil:
		if err := n.deleteFolder(group); err != nil {
			return err
		}
	}
	return writeReplica(dir, replicaFile{Replica: replica})
}

// openPlaced opens the replica that the map places here under an id.
func (n *Node) openPlaced(ctx context.Context, placed *shard.Group, replica string) error {
	id := placed.ID
	file, err := n.readOwn(id, replica)
	if err != nil {
		return n.recoverDamaged(ctx, placed, replica, err)
	}
	if file != nil && file.Replica != replica && epochOf(file.Replica) > epochOf(replica) {
		return nil // the map is older than the folder: a newer one is on its way
	}
	if file != nil && file.Replica == replica && file.Lost {
		return n.replaceLost(ctx, id, replica)
	}
	founders, err := n.founders(ctx, placed, replica)
	if err != nil {
		return err
	}
	if err := n.makeFolder(id, replica); err != nil {
		return err
	}
	g, err := group.Open(n.groupConfig(id, replica, founders))
	switch {
	case err == nil:
		n.log.Info("the replica is open", "topic", "membership", "group", id, "replica", replica, "founder", len(founders) > 0)
		n.addGroup(g)
		return nil
	case !damaged(err):
		n.fail(err)
		return err
	}
	return n.recoverDamaged(ctx, placed, replica, err)
}

// founders returns with whom a replica begins a group that has not been founded,
// nil if it has.
//
// A group that was founded must not be founded again: that would be a second group
// of the same number, and an empty one. While a node starts it may read an old
// map, in which a group that has long moved away from here is still to be founded.
// So the map is asked for as it is now.
func (n *Node) founders(ctx context.Context, g *shard.Group, replica string) ([]raft.Server, error) {
	if g.Founded {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	m, err := n.readMap(ctx)
	if err != nil {
		return nil, fmt.Errorf("is the group founded? %w", err)
	}
	g = m.Group(g.ID)
	if g == nil || g.On(n.config.ID) == nil || g.On(n.config.ID).ID != replica {
		return nil, fmt.Errorf("replica %s is not in the map any more", replica)
	}
	if g.Founded {
		return nil, nil
	}
	var out []raft.Server
	for _, r := range g.Replicas {
		out = append(out, raft.Server{ID: raft.ServerID(r.ID), Address: raft.ServerAddress(m.Node(r.Node).Peer)})
	}
	return out, nil
}
