package plan

import (
	"cmp"
	"fmt"
	"slices"

	"raftkv/shard"
)

// bin is what slots are evened out over: a node with the groups that it leads
// if heat is known, else a group.
type bin struct {
	name   string
	groups []int
	weight float64
	load   float64 // operations a second, or slots
	giant  float64 // load of the greatest slot in it that no move can better
	stuck  bool    // nothing of it can be moved now
}

// balance is one look at slots over bins.
type balance struct {
	*planner
	bins   []bin
	fair   float64 // load of a bin of weight 1 if all is even
	unit   func(slot uint16) float64
	byHeat bool
	// high and low are the bounds, as shares of fair, beyond which slots are moved.
	// While slots are moving by heat, or rest after that, they are closer: what has
	// been begun is brought well inside the bounds at which it would begin again.
	high, low float64
	minGain   float64 // load that a move must take off a bin
}

// A group takes part in so many migrations at a time. More would not copy
// faster, and clients feel each.
const perGroup = 2

// slots moves slots from the busiest to the coolest. Each move lowers the
// greater load of two bins and raises the lesser one, never above the former, so
// a sequence of moves under the same load comes to an end.
func (p *planner) slots() {
	if p.in.Heat == nil {
		p.note("slots: heat is not known yet")
		return
	}
	b := p.balance()
	if len(b.bins) < 2 || b.fair <= 0 {
		p.note("slots: there is nothing to spread")
		return
	}
	under := len(p.in.Map.Migrations)
	moves := 0
	for under+moves < p.opt.Migrations && !p.full() {
		from, excess := b.source()
		if from < 0 {
			break
		}
		if !b.relieve(from, excess) {
			b.bins[from].stuck = true
			continue
		}
		moves++
		b.settle()
	}
	if moves > 0 {
		return
	}
	if under > 0 {
		p.note("slots: %d migrations are under way, of at most %d", under, p.opt.Migrations)
	}
	b.explain()
}

func (p *planner) balance() *balance {
	b := &balance{planner: p, byHeat: p.busy}
	if b.byHeat {
		b.high, b.low = p.opt.Imbalance, 0.5
		b.unit = func(s uint16) float64 { return p.load[s] }
		b.byNode()
		settling := len(p.in.Map.Migrations) > 0
		for _, moved := range p.in.Recent.Slots {
			settling = settling || p.in.Now.Sub(moved) < p.opt.SlotRest
		}
		if settling {
			b.settle()
		}
		return b
	}
	// Cold slots do no harm where they are, and where heat has brought them they
	// stay when it is gone: only new groups are filled, and the grossest evened out.
	b.high, b.low = 2, 0.1
	b.unit = func(uint16) float64 { return 1 }
	b.byGroup()
	return b
}

// settle brings the bounds closer.
func (b *balance) settle() {
	b.high, b.low = b.closer(), 1-2*(b.opt.Imbalance-1)
}

// closer returns how far above its share a node may be brought, so that it takes
// more than noise to reach Imbalance.
func (p *planner) closer() float64 { return 1 + (p.opt.Imbalance-1)/2 }

func (b *balance) byNode() {
	total, weight := 0.0, 0.0
	for i := range b.nodes {
		n := &b.nodes[i]
		if !n.ready() {
			continue
		}
		b.bins = append(b.bins, bin{name: n.ID, groups: n.leads, weight: n.weight, load: n.load})
		total += n.load
		weight += n.weight
	}
	if weight == 0 {
		return
	}
	b.giants(total, weight)
	b.minGain = 0.02 * b.fair
}

func (b *balance) byGroup() {
	total := 0.0
	for i := range b.groups {
		g := &b.groups[i]
		if !g.Founded || g.leader < 0 {
			continue
		}
		b.bins = append(b.bins, bin{name: fmt.Sprintf("group %d", g.ID), groups: []int{i}, weight: 1, load: float64(len(g.slots))})
		total += float64(len(g.slots))
	}
	if len(b.bins) == 0 {
		return
	}
	b.fair = total / float64(len(b.bins))
	b.minGain = 1
	for i := range b.bins {
		// A group is new as long as it has only what it was just given.
		if float64(len(b.movable(b.bins[i].groups[0]))) < b.low*b.fair {
			b.settle()
			return
		}
	}
}

// giants finds fair: an even share of what can be spread. A slot hotter than
// that is left out, with the node that serves it, for a slot cannot be split.
func (b *balance) giants(total, weight float64) {
	type giant struct {
		slot uint16
		load float64
		bin  int
	}
	var all []giant
	for i := range b.bins {
		for _, g := range b.bins[i].groups {
			for _, s := range b.groups[g].slots {
				if b.load[s] > total/weight {
					all = append(all, giant{s, b.load[s], i})
				}
			}
		}
	}
	slices.SortFunc(all, func(x, y giant) int { return cmp.Or(cmp.Compare(y.load, x.load), cmp.Compare(x.slot, y.slot)) })
	whole := total
	for _, x := range all {
		host := &b.bins[x.bin]
		if weight <= host.weight || x.load <= b.opt.Imbalance*host.weight*total/weight {
			break
		}
		b.note("slot %d alone is %s of all load (%.0f of %.0f ops/s), more than a node's share, and a slot cannot be split: let clients read from replicas", x.slot, percent(x.load, whole), x.load, whole)
		host.giant = max(host.giant, x.load)
		if x.load >= total*(1-1e-9) {
			break // nothing is left but it: with a share of nothing no giant would part from another
		}
		total -= x.load
		weight -= host.weight
	}
	b.fair = total / weight
}

// share returns the load that a bin should have.
func (b *balance) share(x *bin) float64 { return max(b.fair*x.weight, x.giant) }

// source returns the bin that is to give slots, and how much load, or -1: the
// one farthest above its share if that is too far; else, if one is far below its
// share, the one that can give most.
func (b *balance) source() (from int, excess float64) {
	from = -1
	most, cold := 0.0, false
	for i := range b.bins {
		x := &b.bins[i]
		cold = cold || x.load < b.low*b.fair*x.weight && b.fair*x.weight-x.load > b.minGain
		if over := (x.load - b.share(x)) / x.weight; !x.stuck && (from < 0 || over > most) {
			from, most = i, over
		}
	}
	if from < 0 {
		return -1, 0
	}
	x := &b.bins[from]
	over := x.load - b.share(x)
	switch {
	case over > (b.high-1)*b.fair*x.weight && over >= b.minGain && (!b.byHeat || x.load/x.weight >= b.opt.MinLoad):
		return from, over
	case cold: // each may give a little, down to the same distance below its share
		if give := x.load - b.share(x)*(2-b.opt.Imbalance); give >= b.minGain {
			return from, give
		}
	}
	return -1, 0
}

// How many bins are tried as a target, the coolest first.
const targets = 4

// relieve plans one move that takes up to excess load from a bin, and tells
// whether it found one.
func (b *balance) relieve(from int, excess float64) bool {
	source := &b.bins[from]
	for _, to := range b.coolest(from) {
		target := &b.bins[to]
		room := b.share(target) - target.load
		best, g, t := choice{}, -1, b.receiver(target)
		if t < 0 {
			continue
		}
		for _, i := range source.groups {
			if !b.mayGive(i) {
				continue
			}
			if c := b.choose(i, min(excess, room)); c.load > best.load {
				best, g = c, i
			}
		}
		if best.load < b.minGain {
			best, g = b.single(source, target)
		}
		if g < 0 || !b.pays(best) {
			continue
		}
		b.move(source, target, g, t, best)
		return true
	}
	return false
}

// coolest returns bins that can take something, the one with most room first.
func (b *balance) coolest(from int) []int {
	room := func(i int) float64 { return (b.share(&b.bins[i]) - b.bins[i].load) / b.bins[i].weight }
	var out []int
	for i := range b.bins {
		if i == from || room(i) <= 0 || b.receiver(&b.bins[i]) < 0 {
			continue
		}
		at, _ := slices.BinarySearchFunc(out, i, func(a, i int) int { return cmp.Or(cmp.Compare(room(i), room(a)), cmp.Compare(a, i)) })
		if at < targets {
			out = slices.Insert(out, at, i)
			out = out[:min(len(out), targets)]
		}
	}
	return out
}

// receiver returns the group of a bin, by index, that is to get slots, or -1:
// the one that owns fewest.
func (b *balance) receiver(x *bin) int {
	best := -1
	for _, i := range x.groups {
		if b.mayMove(i) && (best < 0 || len(b.groups[i].slots) < len(b.groups[best].slots)) {
			best = i
		}
	}
	return best
}

// mayMove tells whether slots may move to or from a group: not while a node of it
// may come back at any moment, and change who is busy.
func (b *balance) mayMove(i int) bool {
	g := &b.groups[i]
	return g.Founded && !g.shaky && !g.changing && g.leader >= 0 && g.migrations < perGroup
}

func (b *balance) mayGive(i int) bool { return b.mayMove(i) && len(b.groups[i].slots) > 0 }

// move plans the move of what was chosen of group g to group t.
func (b *balance) move(source, target *bin, g, t int, c choice) {
	from, to := &b.groups[g], &b.groups[t]
	slots := ranges(c.slots)
	reason := fmt.Sprintf("%s owns %d slots, %s owns %d", source.name, int(source.load), target.name, int(target.load))
	if b.byHeat {
		reason = fmt.Sprintf("slots %s: %s of %s's load; %s serves %.2f x a node's share, %s %.2f x", shard.BriefRanges(slots), percent(c.load, source.load),
			source.name, source.name, source.load/source.weight/b.fair, target.name, target.load/target.weight/b.fair)
	}
	b.do(Action{Kind: MoveSlots, Slots: slots, From: from.ID, To: to.ID, Reason: reason})
	for _, s := range c.slots {
		b.pinned[s] = true
	}
	from.slots = slices.DeleteFunc(from.slots, func(s uint16) bool {
		_, moved := slices.BinarySearch(c.slots, s)
		return moved
	})
	to.slots = append(to.slots, c.slots...)
	slices.Sort(to.slots)
	source.load -= c.load
	target.load += c.load
	from.migrations++
	to.migrations++
}

// explain says why nothing is moved.
func (b *balance) explain() {
	most, least := &b.bins[0], &b.bins[0]
	for i := range b.bins {
		x := &b.bins[i]
		if x.load/x.weight > most.load/most.weight {
			most = x
		}
		if x.load/x.weight < least.load/least.weight {
			least = x
		}
	}
	if !b.byHeat {
		b.note("slots: less than %.0f ops/s on every node, too little to judge by; groups own %d to %d slots", b.opt.MinLoad, int(least.load), int(most.load))
		return
	}
	if len(b.groups) < len(b.bins) {
		b.note("slots: there are %d groups on %d nodes, so some node leads none: more groups would spread more", len(b.groups), len(b.bins))
	}
	state := fmt.Sprintf("at most %.2f is let be", b.high)
	if most.load/most.weight > b.high*b.fair {
		state = "no slots that may be moved now would better it for the price"
	}
	b.note("slots: the busiest node, %s, serves %.2f x a node's share of %.0f ops/s, the coolest, %s, %.2f x: %s",
		most.name, most.load/most.weight/b.fair, b.fair, least.name, least.load/least.weight/b.fair, state)
}

// movable returns the slots of a group that may be moved.
func (b *balance) movable(i int) []uint16 {
	out := make([]uint16, 0, len(b.groups[i].slots))
	for _, s := range b.groups[i].slots {
		if !b.pinned[s] && s < shard.Slots {
			out = append(out, s)
		}
	}
	return out
}
