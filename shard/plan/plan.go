// Package plan decides what group 0's leader does next: replace dead nodes'
// replicas, spread replicas and leaders, move heat. It is a pure function of the
// shard map and soft state: no clock, no I/O, no goroutine, no memory. What is
// under way stands in the map and counts as done, so planning again before it has
// ended repeats nothing.
package plan

import (
	"cmp"
	"fmt"
	"slices"

	"raftkv/shard"
)

// Plan returns what to do next, the most urgent first: few actions, which are
// safe in any order. Nothing is returned when all is well, or when all that could
// be done is under way.
func Plan(in Input) []Action {
	actions, _ := Explain(in)
	return actions
}

// Explain is Plan, and notes for a person on what is well, what waits and for
// what, and what no move can better.
func Explain(in Input) (actions []Action, notes []string) {
	p := newPlanner(in)
	p.controller()
	p.repair()
	p.found()
	p.assign()
	if !in.Map.Balance {
		p.note("the balancer is off: leaders, slots and replicas stay where they are")
		return p.actions, p.notes
	}
	p.measure()
	p.leaders()
	p.slots()
	p.spread()
	return p.actions, p.notes
}

// IfOn returns what Explain would return besides actions if the balancer were on.
func IfOn(in Input, actions []Action) (more []Action) {
	m := *in.Map
	m.Balance, in.Map = true, &m
	all, _ := Explain(in)
	for _, a := range all {
		if !slices.ContainsFunc(actions, func(b Action) bool { return a.String() == b.String() }) {
			more = append(more, a)
		}
	}
	return more
}

// planner is a plan in the making. What it has decided is projected: counts and
// loads are as if it were done.
type planner struct {
	in      Input
	opt     Options
	nodes   []node  // as in the map
	groups  []group // as in the map, without the controller's
	actions []Action
	notes   []string

	copies int                  // replicas that may still be added
	pinned [shard.Slots]bool    // slots that are moving, or rest after a move
	load   [shard.Slots]float64 // operations a second
	busy   bool                 // the busiest node's load is enough to judge by
}

type node struct {
	*shard.Node
	weight   float64
	live     bool    // heard a short while ago
	prompt   bool    // heard just now: it has hardly died since
	dead     bool    // silent for so long that it is replaced; else, not live, it may come back
	replicas int     // that are to stay, the controller's left out
	leads    []int   // groups, by index
	load     float64 // of the slots of those groups
}

// usable tells whether replicas on the node are to stay.
func (n *node) usable() bool { return !n.dead && n.State != shard.Draining }

// ready tells whether the node can be given something.
func (n *node) ready() bool { return n.live && n.usable() }

// mayLead tells whether the node can be handed a lead, which takes its word at once.
func (n *node) mayLead() bool { return n.ready() && n.prompt }

type group struct {
	*shard.Group
	on     []int // the node of each replica, by index
	leader int   // node that leads, which is live and a voter's, or -1
	// changing tells that members change; one change at a time keeps the quorums
	// of before and after overlapping.
	changing   bool
	shaky      bool // a replica's node is silent and not yet replaced
	migrations int  // that it takes part in
	slots      []uint16
	load       float64
}

func newPlanner(in Input) *planner {
	m := in.Map
	p := &planner{in: in, opt: in.Options.withDefaults(len(m.Nodes))}
	for i := range m.Nodes {
		p.nodes = append(p.nodes, p.look(&m.Nodes[i]))
	}
	p.copies = p.opt.Copies
	for i := range m.Groups {
		if g := &m.Groups[i]; g.ID != shard.Controller {
			p.groups = append(p.groups, p.view(g))
		}
	}
	for i := range p.groups {
		g := &p.groups[i]
		for j, r := range g.Replicas {
			n := &p.nodes[g.on[j]]
			n.replicas++
			if !r.Voter && n.live {
				p.copies--
			}
		}
		if g.leader >= 0 {
			n := &p.nodes[g.leader]
			n.leads = append(n.leads, i)
		}
	}
	p.owners()
	return p
}

func (p *planner) look(n *shard.Node) node {
	out := node{Node: n, weight: 1}
	soft, known := p.in.Nodes[n.ID]
	if known {
		out.live = soft.Silent <= p.opt.LiveWithin
		out.prompt = soft.Silent <= p.opt.LeadWithin
		out.dead = !out.live && soft.Silent >= p.opt.ReplaceAfter
	}
	if soft.Weight > 0 {
		out.weight = soft.Weight
	}
	return out
}

func (p *planner) view(g *shard.Group) group {
	out := group{Group: g, on: make([]int, len(g.Replicas)), leader: -1}
	leader := p.in.Leaders[g.ID]
	for i, r := range g.Replicas {
		at := p.node(r.Node)
		out.on[i] = at
		n := &p.nodes[at]
		if r.Node == leader && r.Voter && n.live {
			out.leader = at
		}
		out.shaky = out.shaky || !n.live && !n.dead
		out.changing = out.changing || !r.Voter
	}
	return out
}

// node returns the index of a node that is in the map; Map.Check says it is.
func (p *planner) node(id string) int {
	at, _ := slices.BinarySearchFunc(p.nodes, id, func(n node, id string) int { return cmp.Compare(n.ID, id) })
	return at
}

// group returns a group's index, or -1.
func (p *planner) group(id uint32) int {
	at, found := slices.BinarySearchFunc(p.groups, id, func(g group, id uint32) int { return cmp.Compare(g.ID, id) })
	if !found {
		return -1
	}
	return at
}

// owners gives each group the slots that it has when all migrations are done,
// and pins those that must not be moved now.
func (p *planner) owners() {
	owner := p.in.Map.Owner
	for _, x := range p.in.Map.Migrations {
		for _, r := range x.Slots {
			for s := int(r.From()); s <= int(r.To()); s++ {
				p.pinned[s] = true
				if !x.Canceled {
					owner[s] = x.To
				}
			}
		}
		for _, id := range []uint32{x.From, x.To} {
			if g := p.group(id); g >= 0 {
				p.groups[g].migrations++
			}
		}
	}
	for s, moved := range p.in.Recent.Slots {
		if s < shard.Slots && p.in.Now.Sub(moved) < p.opt.SlotRest {
			p.pinned[s] = true
		}
	}
	at, last := -1, shard.Controller
	for s, id := range owner {
		if id != last {
			at, last = p.group(id), id
		}
		if at >= 0 {
			p.groups[at].slots = append(p.groups[at].slots, uint16(s))
		}
	}
}

// full tells whether the plan has as many actions as it may.
func (p *planner) full() bool { return len(p.actions) >= p.opt.Actions }

func (p *planner) do(a Action) { p.actions = append(p.actions, a) }

func (p *planner) note(format string, args ...any) {
	p.notes = append(p.notes, fmt.Sprintf(format, args...))
}
