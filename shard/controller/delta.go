package controller

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"raftkv/shard"
)

// delta is what differs between a map and the next one. History keeps these and
// not the commands: they mean the same whatever the rules of a later version
// are, and a map is made from them without running any rule.
type delta struct {
	Nodes          []shard.Node      `json:"nodes,omitempty"` // new or changed
	NodesGone      []string          `json:"nodes_gone,omitempty"`
	Groups         []shard.Group     `json:"groups,omitempty"`
	GroupsGone     []uint32          `json:"groups_gone,omitempty"`
	Owners         []owned           `json:"owners,omitempty"`
	Migrations     []shard.Migration `json:"migrations,omitempty"`
	MigrationsGone []uint64          `json:"migrations_gone,omitempty"`
	Balance        *bool             `json:"balance,omitempty"`
	Note           *Note             `json:"note,omitempty"`
}

// owned are slots with their new owner.
type owned struct {
	Group uint32        `json:"group"`
	Slots []shard.Range `json:"slots"`
}

// diff returns the delta that makes next from prev. It shares memory with next.
func diff(prev, next *shard.Map) delta {
	var d delta
	d.Nodes, d.NodesGone = compare(prev.Nodes, next.Nodes, nodeKey, func(a, b shard.Node) bool { return a == b })
	d.Groups, d.GroupsGone = compare(prev.Groups, next.Groups, groupKey, func(a, b shard.Group) bool {
		return a.Founded == b.Founded && slices.Equal(a.Replicas, b.Replicas)
	})
	d.Migrations, d.MigrationsGone = compare(prev.Migrations, next.Migrations, migrationKey, func(a, b shard.Migration) bool {
		return a.From == b.From && a.To == b.To && a.Reason == b.Reason && a.Canceled == b.Canceled && slices.Equal(a.Slots, b.Slots)
	})
	if prev.Owner != next.Owner {
		d.Owners = owners(prev, next)
	}
	if prev.Balance != next.Balance {
		d.Balance = &next.Balance
	}
	return d
}

// owners lists the slots whose owner differs, in the order of the slots.
func owners(prev, next *shard.Map) []owned {
	var out []owned
	for slot, group := range &next.Owner {
		if prev.Owner[slot] == group {
			continue
		}
		at := slices.IndexFunc(out, func(o owned) bool { return o.Group == group })
		if at < 0 {
			at = len(out)
			out = append(out, owned{Group: group})
		}
		slots := &out[at].Slots
		if n := len(*slots); n > 0 && int((*slots)[n-1].To()) == slot-1 {
			(*slots)[n-1][1] = uint16(slot)
			continue
		}
		*slots = append(*slots, shard.Range{uint16(slot), uint16(slot)})
	}
	return out
}

// patch makes the next map out of m, which afterwards shares memory with d. An
// error leaves m half changed.
func (d *delta) patch(m *shard.Map) error {
	m.Epoch++
	m.Nodes = merge(m.Nodes, d.Nodes, d.NodesGone, nodeKey)
	m.Groups = merge(m.Groups, d.Groups, d.GroupsGone, groupKey)
	m.Migrations = merge(m.Migrations, d.Migrations, d.MigrationsGone, migrationKey)
	for _, o := range d.Owners {
		for _, r := range o.Slots {
			if r.From() > r.To() || r.To() >= shard.Slots {
				return fmt.Errorf("epoch %d: group %d cannot own slots %v", m.Epoch, o.Group, r)
			}
		}
		for slot := range each(o.Slots) {
			m.Owner[slot] = o.Group
		}
	}
	if d.Balance != nil {
		m.Balance = *d.Balance
	}
	return nil
}

func nodeKey(n shard.Node) string           { return n.ID }
func groupKey(g shard.Group) uint32         { return g.ID }
func migrationKey(x shard.Migration) uint64 { return x.Epoch }

func compareNode(n shard.Node, id string) int { return strings.Compare(n.ID, id) }

// compare lists what is new or differs in next, and what is missing from it.
// Both lists are sorted by their keys.
func compare[T any, K cmp.Ordered](prev, next []T, key func(T) K, same func(a, b T) bool) (put []T, gone []K) {
	for len(prev) > 0 || len(next) > 0 {
		switch {
		case len(next) == 0 || len(prev) > 0 && key(prev[0]) < key(next[0]):
			gone = append(gone, key(prev[0]))
			prev = prev[1:]
		case len(prev) == 0 || key(next[0]) < key(prev[0]):
			put = append(put, next[0])
			next = next[1:]
		default:
			if !same(prev[0], next[0]) {
				put = append(put, next[0])
			}
			prev, next = prev[1:], next[1:]
		}
	}
	return put, gone
}

// merge is the reverse of compare: it puts items in their places in a sorted
// list and takes others out.
func merge[T any, K cmp.Ordered](list, put []T, gone []K, key func(T) K) []T {
	find := func(k K) (int, bool) {
		return slices.BinarySearchFunc(list, k, func(item T, k K) int { return cmp.Compare(key(item), k) })
	}
	for _, k := range gone {
		if at, ok := find(k); ok {
			list = slices.Delete(list, at, at+1)
		}
	}
	for _, item := range put {
		at, ok := find(key(item))
		if ok {
			list[at] = item
			continue
		}
		list = slices.Insert(list, at, item)
	}
	return list
}
