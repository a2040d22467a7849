package node

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"raftkv/kv/group"
	"raftkv/shard"
	"raftkv/shard/heat"
	"raftkv/shard/plan"
)

// planInterval is how often the controller plans if the map stays as it is.
const planInterval = time.Second

// planning is what the controller's leader remembers between two plans. All of it
// is soft: the next leader begins without.
type planning struct {
	mu     sync.Mutex
	term   uint64
	last   *shard.Map // of the last plan
	at     time.Time
	recent plan.Recent
}

// planInput gathers what a plan is made from, on the controller's leader.
func (n *Node) planInput(g *group.Group) plan.Input {
	m := n.shardMap()
	n.mu.Lock()
	begin := n.identity.Initial
	n.mu.Unlock()
	p := &n.planning
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.term != g.Term() {
		p.term = g.Term()
		p.recent = plan.Recent{Slots: make(map[uint16]time.Time), Leaders: make(map[uint32]time.Time)}
	}
	in := plan.Input{
		Map: m, Nodes: make(map[string]plan.Node), Leaders: make(map[uint32]string),
		Recent: plan.Recent{Slots: maps.Clone(p.recent.Slots), Leaders: maps.Clone(p.recent.Leaders)},
		Options: plan.Options{
			Replicas: replicasWanted, Groups: begin.Groups, MinNodes: begin.Nodes, ReplaceAfter: n.config.ReplaceAfter,
		},
		Now: time.Now(),
	}
	for _, info := range m.Nodes {
		if info.ID == n.config.ID {
			in.Nodes[info.ID] = plan.Node{}
			continue
		}
		heard := n.board.begun() // who was never heard by this leader counts from its beginning
		if r := m.Group(shard.Controller).On(info.ID); r != nil {
			if at := g.Heard(r.ID); at.After(heard) {
				heard = at
			}
		}
		in.Nodes[info.ID] = plan.Node{Silent: time.Since(heard)}
	}
	now, _ := n.board.read()
	for group, l := range now.Leaders {
		in.Leaders[group] = l.Node
	}
	in.Heat, in.Keys = n.board.load(m)
	return in
}

// load returns the heat and keys of all slots; no heat before the leader of every
// group has told its.
func (b *board) load(m *shard.Map) ([]heat.SlotHeat, []uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	out, keys := []heat.SlotHeat{}, make([]uint64, shard.Slots)
	for _, g := range dataGroups(m) {
		told, known := b.loads[g.ID]
		if !known {
			return nil, nil
		}
		for _, l := range told.slots {
			if m.Owner[l.Slot] != g.ID {
				continue // it has moved since
			}
			out = append(out, heat.SlotHeat{Slot: l.Slot, Reads: l.Reads, Writes: l.Writes})
			keys[l.Slot] = l.Keys
		}
	}
	return out, keys
}

// followPlan carries out what the planner wants next, if it is time to plan.
func (n *Node) followPlan(ctx context.Context, g *group.Group) {
	m := n.shardMap()
	if slices.Contains(m.Owner[:], shard.Controller) || n.board.age() < aliveFor {
		return // it begins, or has had no time to hear of all
	}
	p := &n.planning
	p.mu.Lock()
	due := p.term != g.Term() || p.last != m || time.Since(p.at) >= planInterval
	p.last, p.at = m, time.Now()
	p.mu.Unlock()
	if !due {
		return
	}
	for _, a := range plan.Plan(n.planInput(g)) {
		// All actions of a plan may be carried out together: each is for the newest map.
		if err := n.act(ctx, n.shardMap(), a); err != nil {
			n.logFailure("an action was not carried out", shard.Controller, fmt.Errorf("%s: %w", a, err))
		}
	}
}

// act carries one action of a plan out, and remembers it for the next plans.
func (n *Node) act(ctx context.Context, m *shard.Map, a plan.Action) error {
	p := &n.planning
	p.mu.Lock()
	switch a.Kind {
	case plan.MoveSlots:
		for slot := range shard.Each(a.Slots) {
			p.recent.Slots[slot] = time.Now()
		}
	case plan.TransferLeader:
		p.recent.Leaders[a.Group] = time.Now()
	}
	p.mu.Unlock()
	return n.carryOut(ctx, m, a)
}
