package plan

import "fmt"

// spread evens out how many replicas nodes hold: it adds one on the emptiest
// node; shrink takes the one on the fullest away once the new one votes.
func (p *planner) spread() {
	tried := make([]bool, len(p.nodes))
	moved := false
	var held [][]int // groups by node, made when first needed
	for p.copies > 0 && !p.full() {
		from := -1
		for i := range p.nodes {
			if p.nodes[i].ready() && !tried[i] && (from < 0 || p.fuller(i, from)) {
				from = i
			}
		}
		if from < 0 {
			break
		}
		if held == nil {
			held = p.held()
		}
		g, to := p.spreadable(held[from], from)
		if g == nil {
			tried[from] = true
			continue
		}
		moved = true
		reason := fmt.Sprintf("%s holds %d replicas, %s holds %d", p.nodes[from].ID, p.nodes[from].replicas, p.nodes[to].ID, p.nodes[to].replicas)
		p.nodes[from].replicas--
		p.add(g, to, reason)
	}
	if !moved && !p.full() {
		p.note("replicas: no node holds so many more than another that a copy is worth it")
	}
}

// held returns the groups that have a replica on each node, by index.
func (p *planner) held() [][]int {
	out := make([][]int, len(p.nodes))
	for i := range p.groups {
		for _, at := range p.groups[i].on {
			out[at] = append(out[at], i)
		}
	}
	return out
}

// spreadable returns a group of those with a replica on node from that is better
// off on node to, or nil. It prefers one that from does not lead: nothing else
// has to change then. The gain is at least one whole replica, so two nodes never
// hand one back and forth; or the first replica of node to, which it keeps, since
// no node gives its only one.
func (p *planner) spreadable(groups []int, from int) (pick *group, to int) {
	for _, i := range groups {
		g := &p.groups[i]
		if !g.Founded || g.changing || g.shaky || g.leader < 0 || g.migrations > 0 || len(g.Replicas) != p.opt.Replicas {
			continue
		}
		at := p.place(g)
		if at < 0 {
			continue
		}
		a, b := &p.nodes[from], &p.nodes[at]
		if a.replicas < 2 || b.replicas > 0 && float64(a.replicas)/a.weight <= float64(b.replicas+1)/b.weight {
			continue
		}
		if g.leader != from {
			return g, at
		}
		if pick == nil {
			pick, to = g, at
		}
	}
	return pick, to
}
