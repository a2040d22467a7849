package plan

import (
	"fmt"
	"testing"
	"time"

	"raftkv/shard"
	"raftkv/shard/heat"

	"pgregory.net/rapid"
)

// Whatever happens to a cluster, the planner brings it to rest in bounded time
// without ever breaking the map or a quorum (sim.do checks that), and then
// everything is as it should be.
func TestPlannerSettlesEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := rapid.IntRange(1, 9).Draw(t, "nodes")
		opt := Options{
			ReplaceAfter: 10 * time.Second,
			Groups:       rapid.SampledFrom([]int{0, 0, 1, 5, 12}).Draw(t, "groups"),
			Replicas:     rapid.SampledFrom([]int{3, 3, 1, 5}).Draw(t, "replicas"),
		}
		s := newSim(t.Fatalf, rapid.Uint64().Draw(t, "seed"), nodes, opt)
		for range rapid.IntRange(1, 6).Draw(t, "events") {
			event(t, s)
			for range rapid.IntRange(0, 30).Draw(t, "rounds") {
				s.round()
			}
		}
		s.round()
		// A group that lost its quorum cannot be helped: its nodes come back.
		for i := range s.m.Groups {
			g := &s.m.Groups[i]
			if voters, live := s.quorum(g); len(live) < voters/2+1 {
				for _, r := range g.Replicas {
					delete(s.down, r.Node)
				}
			}
		}
		s.rest(400)
		if got := s.round(); len(got) > 0 {
			t.Fatalf("not at rest: %v", got)
		}
		checkRepaired(t, s)
		checkSpread(t, s)
	})
}

func event(t *rapid.T, s *sim) {
	node := s.m.Nodes[rapid.IntRange(0, len(s.m.Nodes)-1).Draw(t, "node")].ID
	switch what := rapid.SampledFrom([]string{"down", "up", "drain", "undrain", "join", "heat", "weight"}).Draw(t, "event"); what {
	case "down":
		s.down[node] = true
	case "up":
		delete(s.down, node)
	case "drain":
		s.m.Node(node).State = shard.Draining
	case "undrain":
		s.m.Node(node).State = shard.Active
	case "join":
		if len(s.m.Nodes) < 9 {
			s.join()
		}
	case "heat":
		s.heat = drawHeat(t)
	case "weight":
		s.nodes[node] = Node{Silent: s.nodes[node].Silent, Weight: rapid.SampledFrom([]float64{0.5, 1, 2}).Draw(t, "weight")}
	}
}

func drawHeat(t *rapid.T) []heat.SlotHeat {
	ops := rapid.OneOf(rapid.Float64Range(10, 1e6), rapid.Float64Range(10, 1000)).Draw(t, "ops") // or near MinLoad
	from := rapid.IntRange(0, shard.Slots-1).Draw(t, "from")
	switch rapid.SampledFrom([]string{"none", "zipf", "even", "range", "few", "one"}).Draw(t, "heat") {
	case "zipf":
		return zipf(20_000, ops, fmt.Sprint(from))
	case "even":
		return slotHeat(func(int) float64 { return ops / shard.Slots })
	case "range":
		return slotHeat(func(slot int) float64 {
			if slot >= from && slot < from+500 {
				return ops / 500
			}
			return ops / shard.Slots / 10
		})
	case "few":
		return slotHeat(func(slot int) float64 {
			if (slot+from)%1500 == 0 {
				return ops / 10
			}
			return 0
		})
	case "one":
		return slotHeat(func(slot int) float64 {
			if slot == from {
				return ops
			}
			return ops / shard.Slots
		})
	}
	return nil
}

// checkRepaired checks what does not depend on heat.
func checkRepaired(t *rapid.T, s *sim) {
	usable, ready := 0, 0
	for _, n := range s.m.Nodes {
		if n.State == shard.Active && !s.down[n.ID] {
			ready++
		}
	}
	usable = ready // at rest, who is silent is dead
	for i := range s.m.Groups {
		g := &s.m.Groups[i]
		if g.ID == shard.Controller {
			continue
		}
		good := 0
		for _, r := range g.Replicas {
			n := s.m.Node(r.Node)
			if n.State == shard.Active && !s.down[r.Node] {
				good++
				if !r.Voter {
					t.Fatalf("group %d: %s does not vote", g.ID, r.ID)
				}
			}
			if n.State == shard.Draining && ready > 0 && (ready >= s.opt.Replicas || len(s.down) == 0) {
				t.Fatalf("group %d is still on %s, which is draining: %+v %q", g.ID, r.Node, g, s.notes)
			}
			if s.down[r.Node] && ready >= s.opt.Replicas {
				t.Fatalf("group %d is still on %s, which is dead: %+v %q", g.ID, r.Node, g, s.notes)
			}
		}
		if good != min(s.opt.Replicas, usable) {
			t.Fatalf("group %d has %d good replicas of %d, %d nodes: %+v %q", g.ID, good, s.opt.Replicas, usable, g, s.notes)
		}
	}
	for slot, owner := range s.m.Owner {
		if owner == shard.Controller && ready > 0 {
			t.Fatalf("slot %d has no owner: %q", slot, s.notes)
		}
	}
}

// checkSpread checks that no node is a hot spot that a move of slots could
// better.
func checkSpread(t *rapid.T, s *sim) {
	byNode, total := s.loads()
	if len(s.m.Groups)-1 < len(byNode) || total < 400 {
		return // some node leads nothing, or slots are so cold that moving them is not worth it
	}
	most, peak, weights, biggest := "", 0.0, 0.0, 0.0
	for id, load := range byNode {
		weight := s.nodes[id].Weight
		if weight == 0 {
			weight = 1
		}
		weights += weight
		if load/weight > peak {
			most, peak = id, load/weight
		}
	}
	for _, h := range s.heat {
		biggest = max(biggest, h.Ops())
	}
	fair := total / weights
	bound := 1.2 * fair
	if biggest > 0.15*fair { // a slot is not split, and weighs double on a node of half the weight
		bound += 2 * biggest
	}
	if peak > max(bound, 100) {
		t.Fatalf("%s serves %.2f x a node's share of %.0f, the biggest slot %.2f; %q", most, peak/fair, fair, biggest/fair, s.notes)
	}
}
