package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/pprof/profile"
)

const (
	// Nodes are idle when two looks at their CPU time, restLook apart, differ by less
	// than a tenth or by one tick a node; after restMost they are taken as they are.
	restLook  = 3 * time.Second
	restMost  = time.Minute
	idleAreas = 4 // that are named
)

// idleFloors are what idle nodes may take together, in percent of a core.
var idleFloors = map[int]float64{1: 1.5, 8: 8, 32: 23, 64: 33}

// idle prints what three nodes with many groups cost that nobody uses.
func idle(ctx context.Context, l *lab, o *shardingOptions, out io.Writer) error {
	fmt.Fprintf(out, `
### Idle nodes

Three nodes without clients, once their CPU time has settled. CPU is user and system time of all three over %v, in percent of one core;
what dominates is a profile of all three after that.

| groups | CPU %% | reach | reached | resident memory, all nodes | largest node | what dominates |
|---|---|---|---|---|---|---|
`, o.window)
	for _, groups := range o.groups {
		r, err := l.sharded(ctx, "idle", nodes, groups, "--pprof")
		if err != nil {
			return err
		}
		used, err := idleCPU(ctx, r, o.window)
		if err != nil {
			return err
		}
		memory, err := memoryOf(r)
		if err != nil {
			return err
		}
		areas, err := idleProfile(ctx, r, o.window)
		if err != nil {
			return err
		}
		total := int64(0)
		for _, n := range memory {
			total += n
		}
		reach, ok := "", ""
		if floor := idleFloors[groups]; floor > 0 {
			reach, ok = fmt.Sprint(floor), reached(used <= floor)
		}
		fmt.Fprintf(out, "| %d | %.1f | %s | %s | %s MiB | %s MiB | %s |\n", groups, used, reach, ok, mib(total), mib(slices.Max(memory)), areas)
		l.drop(r)
	}
	return nil
}

// idleCPU waits until the nodes have settled, and returns the CPU time that they take
// in a window, in percent of a core.
func idleCPU(ctx context.Context, r *raftkvCluster, d time.Duration) (float64, error) {
	took := func(d time.Duration) (float64, error) {
		start, before := time.Now(), cpuTime(r.pids()...)
		if err := sleep(ctx, d); err != nil {
			return 0, err
		}
		return 100 * float64(cpuTime(r.pids()...)-before) / float64(time.Since(start)), nil
	}
	tick := 100 * float64(nodes*clockTick) / float64(restLook)
	last := math.Inf(1)
	for until := time.Now().Add(restMost); ; {
		now, err := took(restLook)
		if err != nil {
			return 0, err
		}
		if math.Abs(now-last) <= max(0.1*now, tick) {
			break
		}
		if last = now; time.Now().After(until) {
			note("the nodes do not come to rest: %.1f %% of a core", now)
			break
		}
	}
	return took(d)
}

// idleProfile tells which areas take most CPU time, over all nodes.
func idleProfile(ctx context.Context, r *raftkvCluster, d time.Duration) (string, error) {
	list, err := r.cluster.Nodes()
	if err != nil {
		return "", err
	}
	taken, errs := make([]*profile.Profile, len(list)), make([]error, len(list))
	var all sync.WaitGroup
	for i, n := range list {
		all.Go(func() { taken[i], errs[i] = takeProfile(ctx, n.HTTP, d) })
	}
	all.Wait()
	total, by := 0.0, make(map[string]float64)
	for i, p := range taken {
		if errs[i] != nil {
			return "", errs[i]
		}
		for _, s := range p.Sample {
			nanoseconds := float64(s.Value[len(s.Value)-1])
			by[areaOf(s)] += nanoseconds
			total += nanoseconds
		}
	}
	names := sorted(by)
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(by[b], by[a]) })
	var parts []string
	for _, name := range names[:min(idleAreas, len(names))] {
		parts = append(parts, fmt.Sprintf("%.0f %% %s", 100*by[name]/total, name))
	}
	return strings.Join(parts, ", "), nil
}
