package shard

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
)

// Controller is the number of the group that holds the shard map. It owns no
// slots.
const Controller uint32 = 0

// NodeState says what the controller may do with a node.
type NodeState string

// The states of a node.
const (
	Active   NodeState = "active"
	Draining NodeState = "draining" // its replicas and leaderships move elsewhere
)

// Node is a member of the cluster and where it listens (host:port).
type Node struct {
	ID    string `json:"id"`
	Redis string `json:"redis"`
	HTTP  string `json:"http"`
	Peer  string `json:"peer"`
	// Incarnation is that of the data folder. A node that comes back with another
	// one has lost its replicas, votes included.
	Incarnation string    `json:"incarnation"`
	State       NodeState `json:"state"`
}

// Replica is one node's copy of a group.
type Replica struct {
	Node string `json:"node"`
	// ID is its raft server id: the node's id, a dot, and the epoch at which it
	// was made, so none is ever used again.
	ID    string `json:"id"`
	Voter bool   `json:"voter"`
}

// Group is one raft group as the controller wants it to be. The group's own
// membership follows.
type Group struct {
	ID       uint32    `json:"id"`
	Replicas []Replica `json:"replicas"` // sorted by node; one a node
	// Founded tells that the group has had a leader. Until then its replicas may
	// begin it with empty folders; afterwards an empty folder has lost something.
	Founded bool `json:"founded"`
}

// Migration is a move of slots between groups that has not ended. Routing shows
// the old owner until it has.
type Migration struct {
	Epoch  uint64  `json:"epoch"` // at which it was recorded; names it
	Slots  []Range `json:"slots"`
	From   uint32  `json:"from"`
	To     uint32  `json:"to"`
	Reason string  `json:"reason"`
	// Canceled asks its driver to undo it. It ends all the same if the new owner
	// serves already.
	Canceled bool `json:"canceled,omitempty"`
}

// Map is the versioned table of who owns what: slots -> group and group ->
// replicas. It is the plan and the routing table; what a group really serves is
// told by its own log. A Map that others can see is never changed: Clone it.
type Map struct {
	Epoch      uint64
	Nodes      []Node  // sorted by id
	Groups     []Group // sorted by number, the controller's own first
	Owner      [Slots]uint32
	Migrations []Migration // sorted by epoch
	// Balance lets the planner move things by itself.
	Balance bool
}

// Clone returns a copy that shares nothing with m.
func (m *Map) Clone() *Map {
	c := *m
	c.Nodes = slices.Clone(m.Nodes)
	c.Groups = slices.Clone(m.Groups)
	for i := range c.Groups {
		c.Groups[i].Replicas = slices.Clone(c.Groups[i].Replicas)
	}
	c.Migrations = slices.Clone(m.Migrations)
	for i := range c.Migrations {
		c.Migrations[i].Slots = slices.Clone(c.Migrations[i].Slots)
	}
	return &c
}

// Node returns a node's record, or nil. It must not be changed.
func (m *Map) Node(id string) *Node {
	at, ok := slices.BinarySearchFunc(m.Nodes, id, func(n Node, id string) int { return cmp.Compare(n.ID, id) })
	if !ok {
		return nil
	}
	return &m.Nodes[at]
}

// Group returns a group's record, or nil. It must not be changed.
func (m *Map) Group(id uint32) *Group {
	at, ok := slices.BinarySearchFunc(m.Groups, id, func(g Group, id uint32) int { return cmp.Compare(g.ID, id) })
	if !ok {
		return nil
	}
	return &m.Groups[at]
}

// On returns the group's replica on a node, or nil.
func (g *Group) On(node string) *Replica {
	for i := range g.Replicas {
		if g.Replicas[i].Node == node {
			return &g.Replicas[i]
		}
	}
	return nil
}

// SlotsOf returns the slots that a group owns.
func (m *Map) SlotsOf(group uint32) []Range {
	var out []Range
	for slot, owner := range &m.Owner {
		if owner != group || owner == Controller {
			continue
		}
		if n := len(out); n > 0 && int(out[n-1][1]) == slot-1 {
			out[n-1][1] = uint16(slot)
			continue
		}
		out = append(out, Range{uint16(slot), uint16(slot)})
	}
	return out
}

// Migrating returns the migration that moves slot, or nil.
func (m *Map) Migrating(slot uint16) *Migration {
	for i := range m.Migrations {
		if slices.ContainsFunc(m.Migrations[i].Slots, func(r Range) bool { return r.Contains(slot) }) {
			return &m.Migrations[i]
		}
	}
	return nil
}

// Check returns the first invariant that m breaks, or nil: every slot has no
// owner or one that is there, replicas lie on nodes that are there, one a node,
// and no slot is in two migrations or leaves a group that does not own it.
func (m *Map) Check() error {
	for i, n := range m.Nodes {
		if n.ID == "" || i > 0 && m.Nodes[i-1].ID >= n.ID {
			return fmt.Errorf("map %d: nodes are not in order at %q", m.Epoch, n.ID)
		}
	}
	for i, g := range m.Groups {
		if i > 0 && m.Groups[i-1].ID >= g.ID {
			return fmt.Errorf("map %d: groups are not in order at %d", m.Epoch, g.ID)
		}
		for j, r := range g.Replicas {
			if j > 0 && g.Replicas[j-1].Node >= r.Node {
				return fmt.Errorf("map %d: replicas of group %d are not in order at %s", m.Epoch, g.ID, r.Node)
			}
			if m.Node(r.Node) == nil {
				return fmt.Errorf("map %d: group %d has a replica on %s, which is no node", m.Epoch, g.ID, r.Node)
			}
		}
	}
	for slot, owner := range &m.Owner {
		if slot > 0 && owner == m.Owner[slot-1] {
			continue // found just now
		}
		if owner != Controller && m.Group(owner) == nil {
			return fmt.Errorf("map %d: slot %d belongs to group %d, which is not there", m.Epoch, slot, owner)
		}
	}
	return m.checkMigrations()
}

func (m *Map) checkMigrations() error {
	var moving [Slots]bool
	for i, x := range m.Migrations {
		if i > 0 && m.Migrations[i-1].Epoch >= x.Epoch || x.Epoch > m.Epoch {
			return fmt.Errorf("map %d: migrations are not in order at %d", m.Epoch, x.Epoch)
		}
		if x.From == x.To || x.From == Controller || x.To == Controller || m.Group(x.To) == nil || len(x.Slots) == 0 {
			return fmt.Errorf("map %d: migration %d from group %d to group %d makes no sense", m.Epoch, x.Epoch, x.From, x.To)
		}
		for _, r := range x.Slots {
			if r.From() > r.To() || r.To() >= Slots {
				return fmt.Errorf("map %d: migration %d cannot move slots %v", m.Epoch, x.Epoch, r)
			}
			for slot := int(r.From()); slot <= int(r.To()); slot++ {
				if moving[slot] {
					return fmt.Errorf("map %d: slot %d is in two migrations", m.Epoch, slot)
				}
				if m.Owner[slot] != x.From {
					return fmt.Errorf("map %d: migration %d moves slot %d from group %d, but group %d owns it", m.Epoch, x.Epoch, slot, x.From, m.Owner[slot])
				}
				moving[slot] = true
			}
		}
	}
	return nil
}

// mapJSON is how a map is written: owners as ranges by group.
type mapJSON struct {
	Epoch      uint64      `json:"epoch"`
	Nodes      []Node      `json:"nodes"`
	Groups     []groupJSON `json:"groups"`
	Migrations []Migration `json:"migrations"`
	Balance    bool        `json:"balance"`
}

type groupJSON struct {
	Group
	Slots []Range `json:"slots"`
}

// MarshalJSON writes the owners as ranges of slots beside their groups.
func (m *Map) MarshalJSON() ([]byte, error) {
	out := mapJSON{Epoch: m.Epoch, Nodes: m.Nodes, Migrations: m.Migrations, Balance: m.Balance}
	owned := m.owned()
	for _, g := range m.Groups {
		out.Groups = append(out.Groups, groupJSON{g, owned[g.ID]})
	}
	return json.Marshal(out)
}

// owned is SlotsOf for all groups in one pass: with thousands of groups, a pass
// for each would take seconds.
func (m *Map) owned() map[uint32][]Range {
	out := map[uint32][]Range{}
	for from := 0; from < Slots; {
		owner, to := m.Owner[from], from+1
		for to < Slots && m.Owner[to] == owner {
			to++
		}
		if owner != Controller {
			out[owner] = append(out[owner], Range{uint16(from), uint16(to - 1)})
		}
		from = to
	}
	return out
}

// UnmarshalJSON reads what MarshalJSON wrote, and refuses a map that breaks an
// invariant.
func (m *Map) UnmarshalJSON(b []byte) error {
	var in mapJSON
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	*m = Map{Epoch: in.Epoch, Nodes: in.Nodes, Migrations: in.Migrations, Balance: in.Balance}
	for _, g := range in.Groups {
		m.Groups = append(m.Groups, g.Group)
		for _, r := range g.Slots {
			if r.From() > r.To() || r.To() >= Slots || g.ID == Controller {
				return fmt.Errorf("map %d: group %d cannot own slots %v", in.Epoch, g.ID, r)
			}
			for slot := int(r.From()); slot <= int(r.To()); slot++ {
				if m.Owner[slot] != Controller {
					return fmt.Errorf("map %d: slot %d has two owners", in.Epoch, slot)
				}
				m.Owner[slot] = g.ID
			}
		}
	}
	return m.Check()
}
