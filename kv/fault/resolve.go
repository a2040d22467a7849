package fault

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// World is what a fault is resolved by.
type World struct {
	Nodes  []string // all of them
	Leader func(group uint32) string
}

// ByChance tells whether the seed matters to the fault.
func (f *Fault) ByChance() bool {
	switch f.Kind {
	case Halves, Bridge, Minority, Majority, Flapping, Drop, Flip, ClockJumps, TornWrite, FlipLog, FlipSnapshot, MigrationStorm:
		return true
	}
	return f.Jitter > 0
}

// Resolve checks that the nodes that are named exist, and returns the fault that all
// nodes carry out alike, whatever each of them knows: a shape becomes the cut that
// it is now. Chance is decided by the seed, which must be set.
func (f Fault) Resolve(w World) (Fault, error) {
	nodes := slices.Sorted(slices.Values(w.Nodes))
	for _, name := range slices.Concat(f.Nodes, f.Sides[0], f.Sides[1]) {
		if !slices.Contains(nodes, name) {
			return f, fmt.Errorf("there is no node %q: there are %s", name, strings.Join(nodes, ", "))
		}
	}
	chance := rand.New(rand.NewPCG(f.Seed, 0))
	switch f.Kind {
	case IsolateLeader:
		leader, err := f.leader(w)
		if err != nil {
			return f, err
		}
		f.Kind, f.Nodes, f.Group = Isolate, []string{leader}, nil
		return f, nil
	case Halves:
		shuffle(chance, nodes)
		return f.split(nodes[:len(nodes)/2], nodes[len(nodes)/2:])
	case Bridge:
		shuffle(chance, nodes)
		if len(f.Nodes) == 0 && len(nodes) > 0 {
			f.Nodes = nodes[:1]
		}
		bridge := slices.Clone(f.Nodes)
		others := slices.DeleteFunc(nodes, func(n string) bool { return slices.Contains(bridge, n) })
		return f.split(others[:len(others)/2], others[len(others)/2:])
	case Minority, Majority:
		leader, err := f.leader(w)
		if err != nil {
			return f, err
		}
		others := slices.DeleteFunc(nodes, func(n string) bool { return n == leader })
		shuffle(chance, others)
		smaller := len(others) / 2
		if f.Kind == Minority {
			return f.split(append([]string{leader}, others[:max(smaller-1, 0)]...), others[max(smaller-1, 0):])
		}
		return f.split(others[:smaller], append(others[smaller:], leader))
	case Ring:
		if len(f.Nodes) == 0 {
			f.Nodes = nodes
		}
		if len(f.Nodes) < 4 {
			return f, fmt.Errorf("ring: of %d nodes all are neighbours; four are needed", len(f.Nodes))
		}
	}
	return f, nil
}

// leader returns who leads the group that the fault names, the controller's if none.
func (f *Fault) leader(w World) (string, error) {
	group := uint32(0)
	if f.Group != nil {
		group = *f.Group
	}
	leader := w.Leader(group)
	if leader == "" {
		return "", fmt.Errorf("%s: nobody is known to lead group %d now; see raftkv status", f.Kind, group)
	}
	return leader, nil
}

// split is the cut that a shape has become. It is not by chance any more.
func (f Fault) split(a, b []string) (Fault, error) {
	if len(a) == 0 || len(b) == 0 {
		return f, errors.New(string(f.Kind) + ": there are too few nodes for two sides")
	}
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return Fault{Kind: Split, Sides: [2][]string{a, b}, Reset: f.Reset, For: f.For}, nil
}

func shuffle(chance *rand.Rand, nodes []string) {
	chance.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
}
