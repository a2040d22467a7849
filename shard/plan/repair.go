package plan

import (
	"cmp"
	"fmt"
	"slices"

	"raftkv/shard"
)

// repair gives each group as many replicas on usable nodes as it is to have. A
// new one is added first; an old one goes when the group is safe without it.
func (p *planner) repair() {
	order := make([]int, 0, len(p.groups))
	live := make([]int, len(p.groups))
	for i := range p.groups {
		g := &p.groups[i]
		c := p.count(g)
		live[i] = c.stayLive
		switch {
		case !g.Founded && !c.works():
			p.note("group %d waits to be founded: %d of its %d replicas live; start their nodes, or remove the group", g.ID, c.liveVoters, c.voters)
		case !g.Founded:
		case !c.works():
			p.note("group %d has no quorum, only %d of %d voters live: start their nodes again", g.ID, c.liveVoters, c.voters)
		case g.leader < 0:
			p.note("group %d has no leader yet: its members stay as they are", g.ID)
		default:
			order = append(order, i)
		}
	}
	// The group that has least to lose goes first.
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(live[a], live[b]) })
	short := 0
	for _, i := range order {
		g := &p.groups[i]
		left := p.leave(g)
		if !p.replenish(g) {
			short++
		}
		if !left { // its replica could be removed before its lead has moved
			p.release(g)
		}
	}
	for _, i := range order {
		p.shrink(&p.groups[i])
	}
	for i := range p.nodes {
		if n := &p.nodes[i]; n.State == shard.Draining && n.replicas > 0 {
			p.note("%s is draining and still holds %d replicas", n.ID, n.replicas)
		}
	}
	switch {
	case short > 0 && p.ready() < p.opt.Replicas:
		p.note("%d groups have less than %d replicas on usable nodes: only %d such nodes live", short, p.opt.Replicas, p.ready())
	case short > 0:
		p.note("%d groups have less than %d replicas on usable nodes: replicas are added a few at a time", short, p.opt.Replicas)
	case len(order) > 0 && len(order) == len(p.groups):
		p.note("every group has the replicas that it is to have, or they are being added")
	}
}

// leave hands on the lead of a group whose leader drains, and tells whether it
// did.
func (p *planner) leave(g *group) bool {
	from := &p.nodes[g.leader]
	if from.State != shard.Draining || p.rests(g) || p.full() {
		return false
	}
	to := p.successor(g)
	if to >= 0 {
		p.transfer(g, to, from.ID+" is draining")
	}
	return to >= 0
}

// replenish adds a replica where one is missing, and tells whether none is.
func (p *planner) replenish(g *group) bool {
	missing := p.opt.Replicas - p.count(g).stay
	if missing <= 0 {
		return true
	}
	if p.copies <= 0 || p.full() {
		return false
	}
	to := p.place(g)
	if to < 0 {
		return false
	}
	reason := fmt.Sprintf("group %d has %d of %d replicas", g.ID, p.opt.Replicas-missing, p.opt.Replicas)
	for _, at := range g.on {
		if n := &p.nodes[at]; !n.usable() {
			reason = p.why(n)
			break
		}
	}
	p.add(g, to, reason)
	return true
}

// release removes one replica from a node that is dead or drains.
func (p *planner) release(g *group) {
	for i := range g.Replicas {
		n := &p.nodes[g.on[i]]
		if !n.usable() && !p.full() && p.removable(g, i, p.opt.Replicas) {
			p.remove(g, i, p.why(n))
			return
		}
	}
}

// shrink removes the worst replica of a group that has too many: the one on the
// node that holds most.
func (p *planner) shrink(g *group) {
	c := p.count(g)
	if c.stay <= p.opt.Replicas {
		return
	}
	worst := -1
	for i, at := range g.on {
		if !p.nodes[at].usable() {
			continue
		}
		// Where two hold as much, the one that does not lead goes: that is one step less.
		if worst < 0 || p.fuller(at, g.on[worst]) || !p.fuller(g.on[worst], at) && g.on[worst] == g.leader {
			worst = i
		}
	}
	at := g.on[worst]
	p.nodes[at].replicas-- // it counts as gone, for those who spread
	if g.changing || p.full() {
		return
	}
	g.changing = true
	reason := fmt.Sprintf("group %d has %d replicas and wants %d; of their nodes %s holds most", g.ID, c.stay, p.opt.Replicas, p.nodes[at].ID)
	switch {
	case p.removable(g, worst, p.opt.Replicas):
		p.do(Action{Kind: RemoveReplica, Group: g.ID, Node: p.nodes[at].ID, Replica: g.Replicas[worst].ID, Reason: reason})
	case at == g.leader && c.stayLive > p.opt.Replicas && !p.rests(g):
		if to := p.successor(g); to >= 0 {
			p.transfer(g, to, reason+", and it leads")
		}
	}
}

// why says why replicas leave a node that is not usable.
func (p *planner) why(n *node) string {
	if n.State == shard.Draining {
		return n.ID + " is draining"
	}
	return fmt.Sprintf("%s has been silent for more than %s", n.ID, p.opt.ReplaceAfter)
}

// fuller tells whether node a holds more replicas for its weight than node b. One
// that holds two is always fuller than one whose only replica lets it lead.
func (p *planner) fuller(a, b int) bool {
	x, y := &p.nodes[a], &p.nodes[b]
	if (x.replicas < 2) != (y.replicas < 2) {
		return y.replicas < 2
	}
	return float64(x.replicas)/x.weight > float64(y.replicas)/y.weight
}

// emptier orders nodes by how much they would hold with one replica more. A node
// that holds nothing comes first, whatever its weight: it could lead nothing.
func (p *planner) emptier(a, b int) int {
	x, y := &p.nodes[a], &p.nodes[b]
	if (x.replicas == 0) != (y.replicas == 0) {
		return cmp.Compare(min(x.replicas, 1), min(y.replicas, 1))
	}
	return cmp.Compare(float64(x.replicas+1)/x.weight, float64(y.replicas+1)/y.weight)
}

// place returns the ready node without a replica of g that would hold least, or
// -1.
func (p *planner) place(g *group) int {
	best := -1
	for i := range p.nodes {
		n := &p.nodes[i]
		if n.ready() && g.On(n.ID) == nil && (best < 0 || p.emptier(i, best) < 0) {
			best = i
		}
	}
	return best
}

// successor returns the ready voter of g, other than its leader, that leads
// least, or -1. One that may have died just now is taken if there is no other.
func (p *planner) successor(g *group) int {
	best := -1
	for i, at := range g.on {
		if g.Replicas[i].Voter && at != g.leader && p.nodes[at].ready() && (best < 0 || p.fitter(at, best)) {
			best = at
		}
	}
	return best
}

// fitter tells whether one ready node shall rather lead a group than another.
func (p *planner) fitter(one, other int) bool {
	a, b := &p.nodes[one], &p.nodes[other]
	if a.prompt != b.prompt {
		return a.prompt
	}
	return float64(len(a.leads))/a.weight < float64(len(b.leads))/b.weight
}

// rests tells whether the group was told to change its leader a short while ago.
func (p *planner) rests(g *group) bool {
	told, found := p.in.Recent.Leaders[g.ID]
	return found && p.in.Now.Sub(told) < p.opt.LeaderRest
}

func (p *planner) add(g *group, to int, reason string) {
	g.changing = true
	p.copies--
	p.nodes[to].replicas++
	p.do(Action{Kind: AddReplica, Group: g.ID, Node: p.nodes[to].ID, Reason: reason})
}

func (p *planner) remove(g *group, i int, reason string) {
	g.changing = true
	p.nodes[g.on[i]].replicas--
	p.do(Action{Kind: RemoveReplica, Group: g.ID, Node: g.Replicas[i].Node, Replica: g.Replicas[i].ID, Reason: reason})
}

// transfer lets another node lead g, and counts its load there.
func (p *planner) transfer(g *group, to int, reason string) {
	at := p.group(g.ID)
	from := &p.nodes[g.leader]
	from.leads = slices.DeleteFunc(from.leads, func(i int) bool { return i == at })
	from.load -= g.load
	p.nodes[to].leads = append(p.nodes[to].leads, at)
	p.nodes[to].load += g.load
	g.leader = to
	g.changing = true
	p.do(Action{Kind: TransferLeader, Group: g.ID, Node: p.nodes[to].ID, Reason: reason})
}
