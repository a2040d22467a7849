package main

import (
	"context"
	"fmt"
	"io"
)

const (
	// costFloor is what three groups are to keep of one group's rate with
	// costFloorClients clients.
	costFloor        = 0.9
	costFloorClients = 256
	manyGroups       = 3
)

// cost prints what three groups serve beside one on the same three nodes, which share
// this machine's cores: here more groups can bring nothing.
func cost(ctx context.Context, l *lab, o *shardingOptions, out io.Writer) error {
	fmt.Fprintf(out, `
### What %d groups cost on one machine: %d nodes share all cores

%d keys, values of %d bytes; closed loop, each client sends each command to the leader of its key's group. %v a measurement after %v of
warm-up, %d runs by turns. Medians with lowest and highest; the ratio is within a run (reach: %.1f at %d clients). CPU is microseconds
an operation: all servers + generator.

| operation | clients | 1 group op/s | %d groups op/s | ratio | p99 ms 1 group | %d groups | CPU us/op 1 group | %d groups | failed | reached |
|---|---|---|---|---|---|---|---|---|---|---|
`, manyGroups, nodes, o.Keys, o.Value, o.Duration, o.Warmup, o.runs, costFloor, costFloorClients, manyGroups, manyGroups, manyGroups)
	clusters := make(map[int]*raftkvCluster)
	for _, groups := range []int{1, manyGroups} {
		r, err := l.sharded(ctx, fmt.Sprintf("cost-%d", groups), nodes, groups)
		if err != nil {
			return err
		}
		if err := fill(ctx, r, o.load); err != nil {
			return err
		}
		clusters[groups] = r
	}
	todo, err := points(list{"set", "get"}, o.clients)
	if err != nil {
		return err
	}
	for _, p := range todo {
		cells := make(map[int]cell)
		for run := range o.runs {
			for i := range 2 {
				groups := []int{1, manyGroups}[(i+run)%2]
				m, err := measureCost(ctx, clusters[groups], o, p, groups)
				if err != nil {
					return err
				}
				m.Run = run
				cells[groups] = append(cells[groups], m)
			}
		}
		writeCost(out, p, cells[1], cells[manyGroups])
	}
	return nil
}

// measureCost measures one cluster once the leaders are spread. The other one is not
// paused: it would elect leaders anew when it goes on. At rest it takes a
// hundredth of a core.
func measureCost(ctx context.Context, r *raftkvCluster, o *shardingOptions, p point, groups int) (measurement, error) {
	if err := r.spread(ctx, groups); err != nil {
		return measurement{}, err
	}
	m, err := measure(ctx, r, o.load, p)
	if err != nil {
		return m, fmt.Errorf("%s with %s clients at %d groups: %w", p.Op, p.label(), groups, err)
	}
	note("%s %s, %d groups: %s/s, p99 %s ms%s", p.Op, p.label(), groups, count(m.Rate), ms(m.P99), failures(m))
	return m, nil
}

func writeCost(out io.Writer, p point, one, many cell) {
	rate := func(m measurement) float64 { return m.Rate }
	p99 := func(m measurement) float64 { return float64(m.P99) / 1e6 }
	cpu := func(c cell) string {
		return fmt.Sprintf("%.0f + %.0f", c.spread(func(m measurement) float64 { return float64(m.ServerCPU) / 1e3 }).median,
			c.spread(func(m measurement) float64 { return float64(m.ClientCPU) / 1e3 }).median)
	}
	var failed int64
	for _, m := range append(append(cell{}, one...), many...) {
		for _, n := range m.Errors {
			failed += n
		}
	}
	ratio, floor := spreadOf(many.ratios(one)), ""
	if p.Clients == costFloorClients {
		floor = reached(ratio.median >= costFloor)
	}
	fmt.Fprintf(out, "| %s | %s | %s | %s | %s | %.1f | %.1f | %s | %s | %d | %s |\n", p.Op, p.label(), one.spread(rate).text(count), many.spread(rate).text(count),
		ratio.text(twoDigits), one.spread(p99).median, many.spread(p99).median, cpu(one), cpu(many), failed, floor)
}
