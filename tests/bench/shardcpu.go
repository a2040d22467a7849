package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"raftkv/kv/loadgen"
)

// modelRate is the load, in operations a second, under which the CPU time of an
// operation is measured where shares cannot be enforced.
const modelRate = 4000

// cpu prints what nodes with a fixed share of CPU serve together with one group, and
// with as many groups as nodes.
func cpu(ctx context.Context, l *lab, o *shardingOptions, out io.Writer) (err error) {
	var limiter *cpuLimiter
	how := fmt.Sprintf("%d operations a second, and op/s is what the busiest node's share allows: a model", modelRate)
	if !o.model {
		switch limiter, err = newCPULimiter(); {
		case errors.Is(err, errNoCgroups):
			note("%v: the CPU time of an operation is measured instead", err)
		case err != nil:
			return err
		default:
			how = fmt.Sprintf("closed loop; shares are enforced by %v", limiter)
			defer func() {
				for _, s := range slices.Clone(l.made) {
					l.drop(s)
				}
				err = errors.Join(err, limiter.close())
			}()
		}
	}
	fmt.Fprintf(out, `
### Throughput of nodes that have %.0f %% of a core each

%d keys, all equally hot; %s. Groups have 3 replicas.
Medians of %d runs of %v, with lowest and highest; "x 1 group" is within a run. CPU is that of nodes beside their share (busiest and coolest node), and of the generator beside one core, which has no limit.

| nodes | operation | clients | groups | op/s | x 1 group | busiest node | coolest node | generator |
|---|---|---|---|---|---|---|---|---|
`, 100*o.share, o.Keys, how, o.runs, o.Duration)
	for _, nodes := range o.nodes {
		clusters := make(map[int]*raftkvCluster)
		for _, groups := range []int{1, nodes} {
			r, err := l.sharded(ctx, fmt.Sprintf("cpu-%d", groups), nodes, groups)
			if err != nil {
				return err
			}
			if err := fill(ctx, r, o.load); err != nil {
				return err
			}
			if err := hold(limiter, r, o.share); err != nil {
				return err
			}
			clusters[groups] = r
		}
		for _, op := range []string{"GET", "SET"} {
			for _, clients := range o.cpuClients {
				if err := compareShares(ctx, out, o, clusters, nodes, point{op, clients, 1}, limiter == nil); err != nil {
					return err
				}
			}
		}
		for _, r := range clusters {
			l.drop(r)
		}
	}
	return nil
}

// hold gives every node its share of a core, if there is a limiter.
func hold(limiter *cpuLimiter, r *raftkvCluster, share float64) error {
	if limiter == nil {
		return nil
	}
	for _, pid := range r.pids() {
		if err := limiter.hold(pid, share); err != nil {
			return err
		}
	}
	return nil
}

// sharesRun is one measurement of a cluster.
type sharesRun struct {
	rate             float64
	busiest, coolest float64 // CPU time of nodes beside their share
	generator        float64 // in cores
}

// compareShares measures both clusters by turns and prints their rows.
func compareShares(ctx context.Context, out io.Writer, o *shardingOptions, clusters map[int]*raftkvCluster, nodes int, p point, model bool) error {
	order := []int{1, nodes}
	runs := make(map[int][]sharesRun)
	for run := range o.runs {
		for i := range order {
			groups := order[(i+run)%2]
			r := clusters[groups]
			if err := r.spread(ctx, groups); err != nil {
				return err
			}
			m, err := measureShares(ctx, r, o, p, model)
			if err != nil {
				return err
			}
			runs[groups] = append(runs[groups], m)
			note("%d nodes, %d groups, run %d: %s %s %s/s, nodes used %.0f to %.0f %% of their share", nodes, groups, run+1, p.Op, p.label(), count(m.rate), 100*m.coolest, 100*m.busiest)
		}
	}
	for _, groups := range order {
		var ratios []float64
		for i, m := range runs[groups] {
			ratios = append(ratios, m.rate/runs[1][i].rate)
		}
		of := func(pick func(sharesRun) float64) spread {
			var values []float64
			for _, m := range runs[groups] {
				values = append(values, pick(m))
			}
			return spreadOf(values)
		}
		ratio := "1"
		if groups != 1 {
			ratio = spreadOf(ratios).text(twoDigits)
		}
		fmt.Fprintf(out, "| %d | %s | %s | %d | %s | %s | %.0f %% | %.0f %% | %.0f %% |\n", nodes, p.Op, p.label(), groups, of(func(m sharesRun) float64 { return m.rate }).text(count), ratio,
			100*of(func(m sharesRun) float64 { return m.busiest }).median, 100*of(func(m sharesRun) float64 { return m.coolest }).median,
			100*of(func(m sharesRun) float64 { return m.generator }).median)
	}
	return nil
}

func twoDigits(f float64) string { return fmt.Sprintf("%.2f", f) }

// measureShares makes load and counts the CPU time of each node. As a model, the
// rate is what the busiest node could serve in its share.
func measureShares(ctx context.Context, r *raftkvCluster, o *shardingOptions, p point, model bool) (sharesRun, error) {
	t, err := r.target(ctx, p.Clients)
	if err != nil {
		return sharesRun{}, err
	}
	defer t.Close()
	pids := r.pids()
	used := func() (out []time.Duration) {
		for _, pid := range pids {
			out = append(out, cpuTime(pid))
		}
		return append(out, cpuTime(os.Getpid()))
	}
	var before []time.Duration
	config := loadgen.Config{
		Target: t, Clients: p.Clients, Duration: o.Duration, Warmup: o.Warmup, Keys: o.Keys, ValueSize: o.Value,
		Begin: func() { before = used() },
	}
	if p.Op == "GET" {
		config.Reads = 1
	}
	if model {
		config.Rate = modelRate
	}
	result, err := loadgen.Run(ctx, config)
	if err == nil && result.Interrupted {
		err = ctx.Err()
	}
	if err != nil {
		return sharesRun{}, err
	}
	var each []float64
	for i, now := range used() {
		each = append(each, (now-before[i]).Seconds()/result.Elapsed.Seconds())
	}
	servers, generator := each[:len(pids)], each[len(pids)]
	m := sharesRun{rate: result.All.Rate, busiest: slices.Max(servers) / o.share, coolest: slices.Min(servers) / o.share, generator: generator}
	if model {
		m.rate /= m.busiest
	}
	return m, nil
}
