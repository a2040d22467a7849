package plan

import "raftkv/shard"

// census counts a group's replicas by what they are good for.
type census struct {
	voters     int
	liveVoters int
	stay       int // on usable nodes, voters or not
	stayLive   int // voters on usable nodes that are live
}

func (p *planner) count(g *group) (c census) {
	for i, r := range g.Replicas {
		n := &p.nodes[g.on[i]]
		if n.usable() {
			c.stay++
		}
		if !r.Voter {
			continue
		}
		c.voters++
		if n.live {
			c.liveVoters++
		}
		if n.ready() {
			c.stayLive++
		}
	}
	return c
}

// works tells whether the group can commit, and so change its members.
func (c census) works() bool { return c.liveVoters >= c.voters/2+1 }

// removable tells whether the group is still as safe as it can be without its
// i-th replica, of which it is to have want: live voters without it are a quorum
// of what remains, and as many as are wanted. Nodes that drain may take a group
// below want if there is no other node to go to; for a dead node that would gain
// nothing, and it may come back.
func (p *planner) removable(g *group, i, want int) bool {
	c := p.count(g)
	n, r := &p.nodes[g.on[i]], &g.Replicas[i]
	if !c.works() || g.leader == g.on[i] {
		return false
	}
	if !r.Voter {
		return true
	}
	if n.State == shard.Draining {
		want = min(want, p.usable())
	}
	live := c.liveVoters
	if n.live {
		live--
	}
	stay := c.stayLive
	if n.ready() {
		stay--
	}
	return stay >= max(want, 1) && live >= (c.voters-1)/2+1
}

// usable returns how many nodes replicas can stay on.
func (p *planner) usable() (count int) {
	for i := range p.nodes {
		if p.nodes[i].usable() {
			count++
		}
	}
	return count
}

// ready returns how many nodes can be given something.
func (p *planner) ready() (count int) {
	for i := range p.nodes {
		if p.nodes[i].ready() {
			count++
		}
	}
	return count
}
