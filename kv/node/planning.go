package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"raftkv/kv"
	"raftkv/kv/fsm"
	"raftkv/kv/group"
	"raftkv/shard"
	"raftkv/shard/controller"
	"raftkv/shard/heat"
	"raftkv/shard/plan"
)

// planInterval is how often the controller plans: often enough to follow the load,
// and seldom enough that what was done shows in what the nodes report.
const planInterval = time.Second

// restInterval is how often it plans when it had nothing to do and nothing has changed
// since but the time. On a node at rest, a look at 16384 slots each second was a tenth
// of all that the node did.
const restInterval = 5 * time.Second

// restLoad is how many operations a second the whole cluster may serve and be at rest.
const restLoad = 1

// settleTime is how long after a move a slot's load counts as it was before, at least:
// its new leader begins to count at nothing.
const settleTime = 15 * time.Second

// planning is what the controller's leader remembers between two plans. All of it
// is soft: the next leader begins without.
type planning struct {
	mu     sync.Mutex
	term   uint64
	at     time.Time // of the last plan
	seen   planBasis // by which it was made
	acted  bool      // it had something to do
	recent plan.Recent
	// before is what slots served when they were last on their way, see steady.
	before map[uint16]heat.SlotHeat
}

// planBasis is what a plan follows from at rest. Map and bulletin are replaced when they
// change.
type planBasis struct {
	term uint64
	m    *shard.Map
	now  *bulletin
}

// due tells whether it is time to plan, and notes that it is done. Nodes at rest are
// all alive and serve nothing.
func (p *planning) due(basis planBasis, rest bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	interval := planInterval
	if rest && !p.acted && p.seen == basis {
		interval = restInterval
	}
	if time.Since(p.at) < interval {
		return false
	}
	p.at, p.seen = time.Now(), basis
	return true
}

// planInput gathers what a plan is made from, on the controller's leader.
func (n *Node) planInput(g *group.Group) plan.Input {
	m := n.shardMap()
	in := n.planNodes(g, m)
	p := &n.planning
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.term != g.Term() {
		p.term = g.Term()
		p.recent = plan.Recent{Slots: make(map[uint16]time.Time), Leaders: make(map[uint32]time.Time)}
		p.before = make(map[uint16]heat.SlotHeat)
	}
	now, _ := n.board.read()
	for group, l := range now.Leaders {
		in.Leaders[group] = l.Node
	}
	in.Heat, in.Keys = n.board.load(m)
	p.follow(m, in.Heat)
	in.Heat = p.steady(in.Heat)
	in.Recent = plan.Recent{Slots: maps.Clone(p.recent.Slots), Leaders: maps.Clone(p.recent.Leaders)}
	return in
}

// planNodes begins a plan's input with what says which nodes are of use, on the
// controller's leader.
func (n *Node) planNodes(g *group.Group, m *shard.Map) plan.Input {
	n.mu.Lock()
	begin := n.identity.Initial
	n.mu.Unlock()
	in := plan.Input{
		Map: m, Nodes: make(map[string]plan.Node), Leaders: make(map[uint32]string),
		Options: plan.Options{
			Replicas: replicasWanted, Groups: begin.Groups, MinNodes: begin.Nodes, ReplaceAfter: n.config.ReplaceAfter,
			ControllerVoters: controller.ControllerVoters,
			LeadWithin:       2 * group.Timings[n.config.Profile].Heartbeat, // a node that lives has answered several beats
		},
		Now: time.Now(),
	}
	for _, info := range m.Nodes {
		in.Nodes[info.ID] = plan.Node{Silent: n.silent(g, m, info.ID)}
	}
	return in
}

// silent returns for how long a node has not been heard, on the controller's
// leader. Who was never heard by this leader counts from its beginning.
func (n *Node) silent(g *group.Group, m *shard.Map, node string) time.Duration {
	if node == n.config.ID {
		return 0
	}
	heard := n.board.begun()
	if r := m.Group(shard.Controller).On(node); r != nil {
		if at := g.Heard(r.ID); at.After(heard) {
			heard = at
		}
	}
	return time.Since(heard)
}

// gone lists the nodes that have been silent for so long that their replicas are
// replaced, on the controller's leader.
func (n *Node) gone(g *group.Group, m *shard.Map) (out []string) {
	for _, info := range m.Nodes {
		if n.silent(g, m, info.ID) >= n.config.ReplaceAfter {
			out = append(out, info.ID)
		}
	}
	return out
}

// steady returns the loads of slots with those that moved a short while ago as they
// were before. It must be called with mu held.
func (p *planning) steady(now []heat.SlotHeat) []heat.SlotHeat {
	if now == nil || len(p.before) == 0 {
		return now
	}
	rest := make(map[uint16]heat.SlotHeat)
	for slot, was := range p.before {
		if time.Since(p.recent.Slots[slot]) < settleTime {
			rest[slot] = was
		} else {
			delete(p.before, slot)
		}
	}
	for i := range now {
		if was, moved := rest[now[i].Slot]; moved {
			delete(rest, now[i].Slot)
			if was.Ops() > now[i].Ops() {
				now[i] = was
			}
		}
	}
	for _, was := range rest {
		now = append(now, was)
	}
	return now
}

// load returns the heat and keys of all slots; no heat before the leader of every
// group has told its.
func (b *board) load(m *shard.Map) ([]heat.SlotHeat, []uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	total := 0
	for _, told := range b.loads {
		total += len(told.slots)
	}
	out, keys := make([]heat.SlotHeat, 0, total), make([]uint64, shard.Slots)
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

// atRest tells whether the leader of every group has told that it serves next to nothing.
func (b *board) atRest(m *shard.Map) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	ops := 0.0
	for _, g := range dataGroups(m) {
		told, known := b.loads[g.ID]
		if !known {
			return false
		}
		for _, l := range told.slots {
			ops += l.Reads + l.Writes
		}
	}
	return ops < restLoad
}

// followPlan carries out what the planner wants next, if it is time to plan.
func (n *Node) followPlan(ctx context.Context, g *group.Group) {
	m := n.shardMap()
	if slices.Contains(m.Owner[:], shard.Controller) || n.board.age() < aliveFor {
		return // it begins, or has had no time to hear of all
	}
	now, _ := n.board.read()
	if !n.planning.due(planBasis{g.Term(), m, now}, len(now.Dead) == 0 && n.board.atRest(m)) {
		return
	}
	in := n.planInput(g)
	actions := plan.Plan(in)
	n.planning.mu.Lock()
	n.planning.acted = len(actions) > 0
	n.planning.mu.Unlock()
	n.carryOutPlan(ctx, in, actions)
}

// carryOutPlan carries out a plan that was made from in. Its actions may be carried
// out together, so each is for the map that the one before has left; but if anything
// else has changed the map meanwhile, what is left may be wrong by now, and the next
// plan decides it.
func (n *Node) carryOutPlan(ctx context.Context, in plan.Input, actions []plan.Action) {
	epoch := in.Map.Epoch
	for _, a := range actions {
		after, err := n.carryOutAt(ctx, epoch, a)
		if stale := kv.ReplyError(""); errors.As(err, &stale) && stale.Code() == fsm.ErrStale {
			return
		}
		n.planning.remember(a, in.Heat)
		if err != nil {
			n.logFailure("an action was not carried out", shard.Controller, fmt.Errorf("%s: %w", a, err))
			continue
		}
		epoch = after
		n.metrics.Decided(string(a.Kind))
	}
}

// remember notes for the next plans what was done, or may have been.
func (p *planning) remember(a plan.Action, loads []heat.SlotHeat) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch a.Kind {
	case plan.MoveSlots:
		p.moving(a.Slots, loads)
	case plan.TransferLeader:
		p.recent.Leaders[a.Group] = time.Now()
	}
}

// moving notes that slots are on their way, and what they serve. It must be called
// with mu held.
func (p *planning) moving(slots []shard.Range, loads []heat.SlotHeat) {
	for slot := range shard.Each(slots) {
		p.recent.Slots[slot] = time.Now()
	}
	for _, l := range loads {
		if slices.ContainsFunc(slots, func(r shard.Range) bool { return r.Contains(l.Slot) }) {
			p.before[l.Slot] = l
		}
	}
}

// follow notes it again as long as slots are on their way: their rest begins when they
// have come, and until then their old leader counts on. It must be called with mu held.
func (p *planning) follow(m *shard.Map, loads []heat.SlotHeat) {
	for _, x := range m.Migrations {
		p.moving(x.Slots, loads)
	}
}
