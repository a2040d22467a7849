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
	"raftkv/shard/controller"
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
		if err := n.act(ctx, m, a); err != nil {
			n.logFailure("an action was not carried out", shard.Controller, fmt.Errorf("%s: %w", a, err))
		}
	}
}

// act carries one action of a plan out.
func (n *Node) act(ctx context.Context, m *shard.Map, a plan.Action) error {
	p := &n.planning
	change := func(command []byte) error {
		return n.carryOut(ctx, decision{change: command, reason: a.String()})
	}
	switch a.Kind {
	case plan.AddGroup:
		return change(controller.At(m.Epoch, controller.AddGroup(a.Nodes)))
	case plan.AssignSlots:
		for _, to := range a.Assign {
			if err := change(controller.AssignSlots(to.Group, to.Slots)); err != nil {
				return err
			}
		}
		return nil
	case plan.AddReplica:
		return change(controller.AddReplica(a.Group, a.Node))
	case plan.RemoveReplica:
		return change(controller.RemoveReplica(a.Group, a.Replica))
	case plan.MoveSlots:
		p.mu.Lock()
		for slot := range shard.Each(a.Slots) {
			p.recent.Slots[slot] = time.Now()
		}
		p.mu.Unlock()
		return change(controller.StartMigration(a.Slots, a.From, a.To, a.Reason))
	case plan.TransferLeader:
		p.mu.Lock()
		p.recent.Leaders[a.Group] = time.Now()
		p.mu.Unlock()
		n.log.Info(a.String(), "topic", "leadership", "group", a.Group)
		return n.MoveLeader(ctx, a.Group, a.Node)
	}
	return fmt.Errorf("an action of kind %q is not known", a.Kind)
}
