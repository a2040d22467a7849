package plan

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"raftkv/shard"
)

// large returns a running cluster: replicas lie on three neighbours, and of
// traffic as Zipf's every node has its own share, so there is much to do.
func large(nodes, groups int) Input {
	m := &shard.Map{Epoch: 1, Balance: true}
	in := Input{Map: m, Nodes: map[string]Node{}, Leaders: map[uint32]string{}, Now: time.Unix(1_700_000_000, 0)}
	for i := range nodes {
		id := fmt.Sprintf("n%05d", i)
		m.Nodes = append(m.Nodes, shard.Node{ID: id, State: shard.Active})
		in.Nodes[id] = Node{}
	}
	m.Groups = []shard.Group{{ID: shard.Controller, Founded: true}}
	for i := range nodes {
		m.Groups[0].Replicas = append(m.Groups[0].Replicas, shard.Replica{Node: m.Nodes[i].ID, ID: m.Nodes[i].ID + ".1", Voter: i < 5})
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range groups {
		g := shard.Group{ID: uint32(i + 1), Founded: true}
		for j := range 3 {
			n := m.Nodes[(i+j)%nodes].ID
			g.Replicas = append(g.Replicas, shard.Replica{Node: n, ID: n + ".2", Voter: true})
		}
		slices.SortFunc(g.Replicas, func(a, b shard.Replica) int { return cmpText(a.Node, b.Node) })
		m.Groups = append(m.Groups, g)
		in.Leaders[g.ID] = g.Replicas[rng.IntN(3)].Node
	}
	in.Leaders[0] = m.Nodes[0].ID
	for slot := range m.Owner {
		m.Owner[slot] = uint32(slot*groups/shard.Slots) + 1
	}
	in.Heat = zipf(100_000, 1e6, "key")
	return in
}

// kill makes every tenth node dead.
func kill(in Input) Input {
	for i, n := range in.Map.Nodes {
		if i%10 == 9 {
			in.Nodes[n.ID] = Node{Silent: time.Hour}
		}
	}
	return in
}

// The cost of one plan as the cluster grows: go test -run Table -v.
func TestTableOfPlanCost(t *testing.T) {
	t.Logf("%6s %7s %22s %22s", "nodes", "groups", "uneven (actions)", "1 in 10 dead (actions)")
	for _, nodes := range []int{10, 100, 1000} {
		var cells []any
		for _, in := range []Input{large(nodes, 10*nodes), kill(large(nodes, 10*nodes))} {
			if err := in.Map.Check(); err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			actions := Plan(in)
			took := time.Since(begun)
			if len(actions) == 0 {
				t.Errorf("%d nodes: nothing to do", nodes)
			}
			if took > 5*time.Second { // it takes some milliseconds; this is for a test on a busy machine
				t.Errorf("%d nodes: a plan took %v", nodes, took)
			}
			cells = append(cells, fmt.Sprintf("%.1f ms (%d)", float64(took.Microseconds())/1000, len(actions)))
		}
		t.Logf("%6d %7d %22s %22s", nodes, 10*nodes, cells[0], cells[1])
	}
}

func BenchmarkPlan(b *testing.B) {
	for _, nodes := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("%dnodes", nodes), func(b *testing.B) {
			in := large(nodes, 10*nodes)
			for b.Loop() {
				Plan(in)
			}
		})
	}
}
