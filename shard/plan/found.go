package plan

import (
	"fmt"
	"slices"

	"raftkv/shard"
)

// found adds groups until there are as many as wanted, and gives up those that
// nobody is left to found. The first ones are made whatever Map.Balance says, for
// without them nothing is served.
func (p *planner) found() {
	if !p.in.Map.Balance && len(p.groups) > 0 {
		return
	}
	if len(p.groups) == 0 && p.ready() < p.opt.MinNodes {
		p.note("%d nodes live; the first groups are made when %d do", p.ready(), p.opt.MinNodes)
		return
	}
	want := p.wanted()
	for have := len(p.groups) - p.giveUp(); have < want && !p.full(); have++ {
		nodes := p.seats()
		if len(nodes) == 0 {
			return
		}
		reason := fmt.Sprintf("%d groups are wanted, and there are %d", want, have)
		if p.opt.Groups <= 0 {
			reason = fmt.Sprintf("%d nodes are in use and there are %d groups: each node is to lead one", want, have)
		}
		p.do(Action{Kind: AddGroup, Nodes: nodes, Reason: reason})
	}
}

// giveUp removes groups that were not founded and have no quorum of nodes that may
// come back, and returns how many. Others take their place, and not other replicas
// in the same group: some of its nodes may have founded it before they died, which
// nobody was told, and would go on with the members of then. Its number is never
// used again and it has had no slots, so whatever becomes of it serves nothing.
func (p *planner) giveUp() (count int) {
	for i := range p.groups {
		g := &p.groups[i]
		if g.Founded || len(g.slots) > 0 || !p.lost(g) || p.ready() == 0 || p.full() {
			continue
		}
		for _, at := range g.on {
			p.nodes[at].replicas--
		}
		count++
		p.do(Action{
			Kind: RemoveGroup, Group: g.ID,
			Reason: fmt.Sprintf("it was not founded, and more than half of its nodes have been silent for more than %s", p.opt.ReplaceAfter),
		})
	}
	return count
}

// wanted returns how many groups are to be. A node that was never heard, or is
// silent for a while, is no reason for one more.
func (p *planner) wanted() int {
	if p.opt.Groups > 0 {
		return p.opt.Groups
	}
	return p.ready()
}

// seats chooses the ready nodes that hold least for a new group's replicas.
func (p *planner) seats() []string {
	var ready []int
	for i := range p.nodes {
		if p.nodes[i].ready() {
			ready = append(ready, i)
		}
	}
	slices.SortStableFunc(ready, p.emptier)
	var out []string
	for _, i := range ready[:min(len(ready), p.opt.Replicas)] {
		p.nodes[i].replicas++
		out = append(out, p.nodes[i].ID)
	}
	slices.Sort(out)
	return out
}

// assign gives slots without an owner to groups that own less than an even
// share, in runs as long as can be. It waits until all wanted groups are founded,
// so that the first split is an even one.
func (p *planner) assign() {
	var free []uint16
	for s, owner := range p.in.Map.Owner {
		if owner == shard.Controller {
			free = append(free, uint16(s))
		}
	}
	if len(free) == 0 || len(p.groups) == 0 {
		return
	}
	var founded []*group
	waits := slices.ContainsFunc(p.actions, func(a Action) bool { return a.Kind == AddGroup })
	for i := range p.groups {
		if g := &p.groups[i]; g.Founded {
			founded = append(founded, g)
		} else if !p.lost(g) {
			waits = true
		}
	}
	if waits || len(founded) == 0 || p.full() {
		p.note("%d slots have no owner yet: they are assigned when all groups are founded, %d of %d are", len(free), len(founded), len(p.groups))
		return
	}
	a := Action{Kind: AssignSlots, Reason: fmt.Sprintf("%d slots have no owner", len(free))}
	for i, g := range founded {
		// The i-th of n even shares of all slots, however they divide.
		share := shard.Slots*(i+1)/len(founded) - shard.Slots*i/len(founded)
		take := min(max(share-len(g.slots), 0), len(free))
		if i == len(founded)-1 {
			take = len(free)
		}
		if take > 0 {
			a.Assign = append(a.Assign, Assignment{g.ID, ranges(free[:take])})
			free = free[take:]
		}
	}
	p.do(a)
}

// lost tells whether too many of a group's nodes are dead for it to be founded.
func (p *planner) lost(g *group) bool {
	dead := 0
	for _, at := range g.on {
		if p.nodes[at].dead {
			dead++
		}
	}
	return len(g.on)-dead < len(g.on)/2+1
}

// ranges makes ranges of sorted slots.
func ranges(slots []uint16) []shard.Range {
	var out []shard.Range
	for _, s := range slots {
		if n := len(out); n > 0 && out[n-1][1]+1 == s {
			out[n-1][1] = s
			continue
		}
		out = append(out, shard.Range{s, s})
	}
	return out
}
