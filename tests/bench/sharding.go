package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// questions are what the mode sharding measures, in this order.
var questions = []string{"hotspot", "cpu", "migration", "cost", "idle"}

var answers = map[string]func(ctx context.Context, l *lab, o *shardingOptions, out io.Writer) error{
	"hotspot": hotspot, "cpu": cpu, "migration": migration, "cost": cost, "idle": idle,
}

// shardingOptions are the flags of the mode sharding.
type shardingOptions struct {
	common
	load
	quick      bool
	port       int
	nodes      numbers // of clusters, for hotspot and cpu
	clients    numbers // for cost
	cpuClients numbers
	groups     numbers       // for idle
	runs       int           // for cpu and cost
	phase      time.Duration // of hotspot
	rate       float64       // operations a second of hotspot and migration
	moveKeys   int64
	moveSlots  int
	beside     time.Duration // of load before slots move, and again behind: in two groups the same operations cost more
	alone      bool
	apart      string
	share      float64 // of a core, for cpu
	model      bool
	window     time.Duration // of idle
}

// defaults are those of a whole run, in about 13 minutes on two cores, or of a short
// one, in about 3.
func (o *shardingOptions) defaults(quick bool) {
	*o = shardingOptions{
		load:  load{Keys: 100_000, Value: 100, Duration: 2 * time.Second, Warmup: 500 * time.Millisecond},
		nodes: numbers{3, 5}, clients: numbers{64, 256, 1000}, cpuClients: numbers{128, 1000}, groups: numbers{1, 8, 32, 64}, runs: 3,
		phase: 20 * time.Second, rate: 4000, moveKeys: 1_000_000, moveSlots: 8192, beside: 15 * time.Second, share: 0.2, window: 10 * time.Second,
	}
	if quick {
		o.Keys = 20_000
		o.nodes, o.clients, o.cpuClients, o.groups, o.runs = numbers{3}, numbers{256}, numbers{1000}, numbers{1, 8}, 2
		o.phase, o.moveKeys, o.beside, o.window = 16*time.Second, 200_000, 5*time.Second, 5*time.Second
	}
}

func (o *shardingOptions) add(f *flag.FlagSet) {
	o.common.add(f)
	f.BoolVar(&o.quick, "quick", o.quick, "shorten everything, to about 3 minutes: good to see that it works")
	f.IntVar(&o.port, "port", o.port, "first port for servers (default: as other modes)")
	f.Var(&o.nodes, "nodes", "hotspot, cpu: sizes of clusters")
	f.Var(&o.clients, "clients", "cost: numbers of clients of the closed loop")
	f.Var(&o.cpuClients, "cpu-clients", "cpu: likewise")
	f.Var(&o.groups, "groups", "idle: numbers of groups")
	f.IntVar(&o.runs, "runs", o.runs, "cpu, cost: how often everything is measured")
	f.DurationVar(&o.Duration, "duration", o.Duration, "cpu, cost: how long each measurement takes")
	f.DurationVar(&o.Warmup, "warmup", o.Warmup, "cpu, cost: load before it that does not count")
	f.Int64Var(&o.Keys, "keys", o.Keys, "hotspot, cpu, cost: number of keys")
	f.IntVar(&o.Value, "value", o.Value, "size of values in bytes")
	f.DurationVar(&o.phase, "phase", o.phase, "hotspot: how long the same keys are hot, with the balancer; a fourth of it without")
	f.Float64Var(&o.rate, "rate", o.rate, "hotspot, migration: operations a second")
	f.Int64Var(&o.moveKeys, "move-keys", o.moveKeys, "migration: number of keys in all slots")
	f.IntVar(&o.moveSlots, "move-slots", o.moveSlots, "migration: how many slots move, of 16384")
	f.DurationVar(&o.beside, "beside", o.beside, "migration: how long the load runs before it, and again behind it, to compare with")
	f.BoolVar(&o.alone, "alone", o.alone, "migration: without the comparison with Redis")
	f.StringVar(&o.apart, "apart", o.apart, "migration: a `process` of this machine, such as kdamond.0: tell apart the operations during which it did not run")
	f.Float64Var(&o.share, "share", o.share, "cpu: what each node gets of a core")
	f.BoolVar(&o.model, "model", o.model, "cpu: compute what the share allows from the CPU time of an operation, as where there are no cgroups")
	f.DurationVar(&o.window, "window", o.window, "idle: how long CPU time is counted")
}

// parseSharding reads "[question...] [flags]".
func parseSharding(args []string) (todo []string, o shardingOptions, err error) {
	for len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		if answers[args[0]] == nil {
			return nil, o, fmt.Errorf("there is no question %q: there are %s, or none for all", args[0], strings.Join(questions, ", "))
		}
		todo, args = append(todo, args[0]), args[1:]
	}
	if len(todo) == 0 {
		todo = questions
	}
	o.defaults(false)
	if err := parse("sharding", o.add, args); err != nil {
		return nil, o, err
	}
	if o.quick { // what was given wins over what -quick means
		o.defaults(true)
		if err := parse("sharding", o.add, args); err != nil {
			return nil, o, err
		}
	}
	return todo, o, nil
}

// sharding measures what many groups bring and cost, and prints a table for each
// question.
func sharding(ctx context.Context, args []string, out io.Writer) error {
	todo, o, err := parseSharding(args)
	if err != nil {
		return err
	}
	l, err := newLab(ctx, o.dir, o.raftkv)
	if err != nil {
		return err
	}
	defer l.close()
	l.ports.next = o.port
	conditions, err := look(l.dir)
	if err != nil {
		return err
	}
	fmt.Fprint(out, conditions)
	for _, question := range todo {
		start := time.Now()
		if err := answers[question](ctx, l, &o, out); err != nil {
			return fmt.Errorf("%s: %w", question, err)
		}
		note("%s took %v", question, time.Since(start).Round(time.Second))
		for _, s := range slices.Clone(l.made) {
			l.drop(s)
		}
	}
	return nil
}

// reached says whether a floor was reached, beside the number.
func reached(ok bool) string {
	if ok {
		return "yes"
	}
	return "NO"
}

// sorted lists the keys of a map in order.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
