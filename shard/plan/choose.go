package plan

import (
	"cmp"
	"slices"
)

// choice is a set of slots of one group to be moved at once.
type choice struct {
	slots []uint16 // sorted
	load  float64
	cost  float64 // in operations, see price
}

// A move of few hot slots beats one of a long run, but it cuts ranges into
// pieces, which all maps and redirect tables carry. So a move has at most so many
// ranges.
const rangesPerMove = 16

// enough is which share of what should be moved need not be bettered.
const enough = 0.9

// The price of moving a slot, in operations: copying a key, in a batch of many,
// costs about a tenth of serving a write.
const (
	slotPrice = 1
	keyPrice  = 0.1
)

func (b *balance) price(slot uint16) float64 {
	if int(slot) >= len(b.in.Keys) {
		return slotPrice
	}
	return slotPrice + keyPrice*float64(b.in.Keys[slot])
}

// pays tells whether a move is worth its price. By number of slots nothing is
// won but order, so it is always cheap enough: nobody is busy then.
func (b *balance) pays(c choice) bool {
	return !b.byHeat || c.load*b.opt.Payback.Seconds() >= c.cost
}

// choose returns slots of a group that take as much of want as can be, without
// exceeding it: the few hottest for their price if that is enough, else a run.
func (b *balance) choose(group int, want float64) choice {
	if want <= 0 {
		return choice{}
	}
	slots := b.movable(group)
	run := b.run(slots, want)
	if !b.byHeat {
		return run
	}
	hot := b.hottest(slots, want)
	switch {
	case hot.load >= enough*want && hot.cost <= run.cost:
		return hot
	case hot.load >= b.minGain && hot.load*cheaper > run.load && hot.cost*cheaper*cheaper < run.cost:
		return hot // another move takes the rest, and both copy less than the run
	case run.load > hot.load || run.load >= enough*want:
		return run
	default:
		return hot
	}
}

// A choice that takes less than all is still better than one that takes all if
// it takes at least one in so many of its load for less than one in so many,
// squared, of its price.
const cheaper = 2

// hottest takes slots by load for their price, those that fit, until it is enough.
func (b *balance) hottest(slots []uint16, want float64) (c choice) {
	order := slices.Clone(slots)
	slices.SortFunc(order, func(x, y uint16) int {
		return cmp.Or(cmp.Compare(b.unit(y)*b.price(x), b.unit(x)*b.price(y)), cmp.Compare(x, y))
	})
	for _, s := range order {
		if len(c.slots) == rangesPerMove || c.load >= enough*want {
			break
		}
		if load := b.unit(s); load > 0 && c.load+load <= want {
			c.slots = append(c.slots, s)
			c.load += load
			c.cost += b.price(s)
		}
	}
	slices.Sort(c.slots)
	return c
}

// run finds a window in sorted slots: the cheapest that is enough, or the one
// with most load that fits. Gaps are allowed, but few.
func (b *balance) run(slots []uint16, want float64) choice {
	var best, c choice
	gaps, from, bestFrom, bestTo := 0, 0, 0, 0
	for to, s := range slots {
		if to > from && s != slots[to-1]+1 {
			gaps++
		}
		c.load += b.unit(s)
		c.cost += b.price(s)
		for from <= to && (c.load > want || to-from >= b.opt.SlotsPerMove || gaps >= rangesPerMove) {
			if from < to && slots[from+1] != slots[from]+1 {
				gaps--
			}
			c.load -= b.unit(slots[from])
			c.cost -= b.price(slots[from])
			from++
		}
		if from > to {
			c = choice{} // and no error of rounding remains
			continue
		}
		better := c.load > best.load
		if best.load >= enough*want {
			better = c.load >= enough*want && c.cost < best.cost
		}
		if better {
			best, bestFrom, bestTo = c, from, to+1
		}
	}
	best.slots = slices.Clone(slots[bestFrom:bestTo])
	return best
}

// singleGain is the share of a node's fair load by which a move of a slot that
// fits nowhere must lower the busier of two nodes.
const singleGain = 0.05

// single finds the one slot whose move lowers the busier of two bins most: two
// giants need not live on one node. It returns the group too, or -1.
func (b *balance) single(source, target *bin) (best choice, group int) {
	group = -1
	lowest := source.load/source.weight - singleGain*b.fair
	if !b.byHeat {
		return best, group
	}
	for _, i := range source.groups {
		if !b.mayGive(i) {
			continue
		}
		for _, s := range b.movable(i) {
			load := b.unit(s)
			if after := max((source.load-load)/source.weight, (target.load+load)/target.weight); after < lowest {
				lowest, group = after, i
				best = choice{slots: []uint16{s}, load: load, cost: b.price(s)}
			}
		}
	}
	return best, group
}
