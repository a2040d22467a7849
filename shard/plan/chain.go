package plan

import (
	"cmp"
	"fmt"
	"slices"
)

// step hands the lead of one group to a node.
type step struct {
	group int
	to    int
}

// leadersByCount evens out how many groups nodes lead. Which nodes can lead a
// group is given by its replicas, so a node that leads too many may reach one that
// leads too few only through others, which get one group and give another.
func (p *planner) leadersByCount() {
	tried := make([]bool, len(p.nodes))
	leads := func(n *node) float64 { return float64(len(n.leads)) / n.weight }
	for !p.full() {
		from := p.most(tried, leads)
		if from < 0 {
			return
		}
		chain := p.chain(from)
		if chain == nil {
			tried[from] = true
			continue
		}
		end := &p.nodes[chain[len(chain)-1].to]
		reason := fmt.Sprintf("%s leads %d groups, %s leads %d", p.nodes[from].ID, len(p.nodes[from].leads), end.ID, len(end.leads))
		for _, s := range chain {
			p.transfer(&p.groups[s.group], s.to, reason)
		}
	}
}

// chain returns the fewest steps, by a breadth-first search, that end at a node
// which would still lead less than from does now, or which leads nothing, and so
// could get no slots. It returns nil if there are none. A node never gives its
// only group.
func (p *planner) chain(from int) []step {
	if len(p.nodes[from].leads) < 2 {
		return nil
	}
	type visit struct {
		step
		before int // the node it is taken from
		seen   bool
	}
	visits := make([]visit, len(p.nodes))
	visits[from].seen = true
	queue := []int{from}
	most := float64(len(p.nodes[from].leads)) / p.nodes[from].weight
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		// The lightest first, which a node is most likely to bear.
		leads := slices.SortedStableFunc(slices.Values(p.nodes[at].leads), func(a, b int) int { return cmp.Compare(p.groups[a].load, p.groups[b].load) })
		for _, i := range leads {
			g := &p.groups[i]
			if !p.mayTransfer(g) {
				continue
			}
			for j, to := range g.on {
				n := &p.nodes[to]
				if visits[to].seen || !g.Replicas[j].Voter || !n.mayLead() {
					continue
				}
				visits[to] = visit{step{i, to}, at, true}
				queue = append(queue, to)
				if float64(len(n.leads)+1)/n.weight >= most && len(n.leads) > 0 {
					continue
				}
				var steps []step
				for v := to; v != from; v = visits[v].before {
					steps = append(steps, visits[v].step)
				}
				slices.Reverse(steps)
				if p.keepsLoad(from, steps) {
					return steps
				}
			}
		}
	}
	return nil
}

// keepsLoad tells whether no node that gets a group in a chain has too much load
// after it: what is even by load stays so. A node that leads nothing may get as
// much as from has, whatever they weigh: slots then even that out, and without a
// group it could get none.
//
// That holds as well while no node is busy: else the group that makes one busy
// would be taken from it by load, and given back by number, for ever. And the bound
// is closer than the one beyond which leaders change by load, for load varies.
func (p *planner) keepsLoad(from int, steps []step) bool {
	_, above := p.fairLoad()
	above *= p.closer() / p.opt.Imbalance
	for i, s := range steps {
		n := &p.nodes[s.to]
		after := n.load + p.groups[s.group].load
		if i+1 < len(steps) {
			after -= p.groups[steps[i+1].group].load
		}
		bound := above
		if len(n.leads) == 0 {
			bound = max(above, p.nodes[from].load/min(p.nodes[from].weight, n.weight))
		}
		if after/n.weight > bound && after > n.load {
			return false
		}
	}
	return true
}
