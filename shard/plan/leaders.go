package plan

import (
	"fmt"

	"raftkv/shard"
)

// measure adds heat up by group, and by the node that leads it.
func (p *planner) measure() {
	for _, h := range p.in.Heat {
		if h.Slot < shard.Slots {
			p.load[h.Slot] += h.Ops()
		}
	}
	for i := range p.groups {
		g := &p.groups[i]
		for _, s := range g.slots {
			g.load += p.load[s]
		}
		if g.leader >= 0 {
			p.nodes[g.leader].load += g.load
		}
	}
	for i := range p.nodes {
		p.busy = p.busy || p.nodes[i].load/p.nodes[i].weight >= p.opt.MinLoad
	}
}

// A leader's transfer must take at least this share of a node's fair load off
// the busiest node, or it is not worth the pause.
const leaderGain = 0.05

// leaders evens out which nodes lead, which costs no copy: by load if that is
// known, then by number, so that no node is left out while another leads two.
func (p *planner) leaders() {
	before := len(p.actions)
	if p.busy {
		p.leadersByLoad()
	}
	p.leadersByCount()
	if len(p.actions) > before || p.full() {
		return
	}
	least, most := -1, 0
	for i := range p.nodes {
		if n := &p.nodes[i]; n.ready() {
			most = max(most, len(n.leads))
			if least < 0 || len(n.leads) < least {
				least = len(n.leads)
			}
		}
	}
	p.note("leaders: each node leads %d to %d groups, and no transfer would better that", max(least, 0), most)
}

func (p *planner) leadersByLoad() {
	fair, above := p.fairLoad()
	tried := make([]bool, len(p.nodes))
	for !p.full() {
		from := p.most(tried, func(n *node) float64 { return n.load / n.weight })
		if from < 0 || p.nodes[from].load/p.nodes[from].weight <= above {
			return
		}
		source := &p.nodes[from]
		peak := source.load / source.weight
		var pick *group
		to, lowest := -1, peak-leaderGain*fair
		for _, i := range source.leads {
			g := &p.groups[i]
			if !p.mayTransfer(g) || len(source.leads) < 2 { // of an only group slots are moved
				continue
			}
			for j, at := range g.on {
				n := &p.nodes[at]
				if at == from || !g.Replicas[j].Voter || !n.mayLead() {
					continue
				}
				if after := max((source.load-g.load)/source.weight, (n.load+g.load)/n.weight); after < lowest {
					pick, to, lowest = g, at, after
				}
			}
		}
		if pick == nil {
			tried[from] = true
			continue
		}
		p.transfer(pick, to, fmt.Sprintf("%s serves %.1f x a node's share, and group %d is %s of that", source.ID, peak/fair, pick.ID, percent(pick.load, source.load)))
	}
}

// mayTransfer tells whether g's lead may change for balance's sake: not while
// its members change or slots move, which its leader drives.
func (p *planner) mayTransfer(g *group) bool {
	return g.Founded && !g.changing && !g.shaky && g.migrations == 0 && !p.rests(g)
}

// most returns the node not tried, that is live, of which by is greatest, or -1.
func (p *planner) most(tried []bool, by func(*node) float64) int {
	best := -1
	for i := range p.nodes {
		if n := &p.nodes[i]; n.live && !tried[i] && len(n.leads) > 0 && (best < 0 || by(n) > by(&p.nodes[best])) {
			best = i
		}
	}
	return best
}

// fairLoad returns the load that a ready node of weight 1 has if all is even,
// and the load above which something is done about it.
func (p *planner) fairLoad() (fair, above float64) {
	load, weight := 0.0, 0.0
	for i := range p.nodes {
		if n := &p.nodes[i]; n.ready() {
			load += n.load
			weight += n.weight
		}
	}
	if weight > 0 {
		fair = load / weight
	}
	return fair, max(fair*p.opt.Imbalance, p.opt.MinLoad)
}

func percent(part, whole float64) string {
	if whole <= 0 {
		return "0%"
	}
	return fmt.Sprintf("%.0f%%", 100*part/whole)
}
