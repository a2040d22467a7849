package node

import (
	"raftkv/kv/group"
	"raftkv/kv/server"
	"raftkv/shard"
)

// table answers for every slot which group owns it, by the newest map that this
// node has, and whether that group has a replica here. It is replaced, never
// changed: it is on every command's path, which takes no lock and allocates
// nothing.
type table struct {
	shardMap *shard.Map
	groups   *[]*group.Group // the node's, from which it was made
	local    []*group.Group  // those of data groups
	targets  []target        // of the groups in the map; [0] stands for no owner
	at       [shard.Slots]uint16
}

// target is a group as a destination of commands.
type target struct {
	id      uint32
	replica *group.Group // this node's, or nil
	slots   []shard.Range
	leader  func() string // its leader's Redis address, "" if none is known
}

// retable makes the routes follow the map and the replicas that are open. Only
// alignReplicas calls it, after Open has.
func (n *Node) retable() {
	m, groups := n.shardMap(), n.groups.Load()
	if t := n.table.Load(); t != nil && t.shardMap == m && t.groups == groups {
		return
	}
	t := &table{shardMap: m, groups: groups, targets: make([]target, 1, 1+len(m.Groups))}
	for _, g := range *groups {
		if g.ID() != shard.Controller {
			t.local = append(t.local, g)
		}
	}
	index := make(map[uint32]uint16, len(m.Groups))
	for _, g := range dataGroups(m) {
		index[g.ID] = uint16(len(t.targets))
		t.targets = append(t.targets, target{
			id: g.ID, replica: n.group(g.ID),
			leader: func() string { return n.redisOf(n.leaderOf(g.ID)) },
		})
	}
	for slot, owner := range m.Owner {
		to := &t.targets[index[owner]]
		t.at[slot] = index[owner] // 0 for no owner
		if k := len(to.slots); k > 0 && int(to.slots[k-1].To()) == slot-1 {
			to.slots[k-1][1] = uint16(slot)
		} else {
			to.slots = append(to.slots, shard.Range{uint16(slot), uint16(slot)})
		}
	}
	n.table.Store(t)
	n.rerouted.ring()
}

// owner returns the group that the map gives a slot, or shard.Controller.
func (t *table) owner(slot uint16) uint32 { return t.targets[t.at[slot]].id }

// route tells who serves a slot. The map is the plan; what a group really serves
// is told by its own log, so while the two differ a leader's gate wins.
func (t *table) route(slot uint16) server.Route {
	owner := &t.targets[t.at[slot]]
	if g := owner.replica; g != nil && g.Serves(slot) && g.Serving() {
		return server.Route{Group: g, Leader: true}
	}
	// The slot may have come to a group that leads here before the map says so.
	for _, g := range t.local {
		if g != owner.replica && g.Serves(slot) && g.Serving() {
			return server.Route{Group: g, Leader: true}
		}
	}
	if owner.leader == nil {
		return server.Route{} // nobody's
	}
	r := server.Route{LeaderAddr: owner.leader}
	if owner.replica != nil {
		if owner.replica.Serves(slot) {
			r.Group, r.Moving = owner.replica, owner.replica.Settling()
		} else {
			r.Moving = owner.replica.Serving()
		}
	}
	return r
}
