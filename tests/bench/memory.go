package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"time"
)

// memory prints how much memory the servers need for many keys.
func memory(ctx context.Context, args []string, out io.Writer) error {
	var c common
	l := load{}
	systems := list{raftkvWAL, redisName, etcdName}
	idle := 30 * time.Second
	err := parse("memory", func(f *flag.FlagSet) {
		c.add(f)
		f.Int64Var(&l.Keys, "keys", 1_000_000, "number of keys")
		f.IntVar(&l.Value, "value", 100, "size of values in bytes")
		f.Var(&systems, "systems", "which systems")
		f.DurationVar(&idle, "idle", idle, "how long the servers are left alone before the second look")
	}, args)
	if err != nil {
		return err
	}
	lab, err := newLab(ctx, c.dir, c.raftkv)
	if err != nil {
		return err
	}
	defer lab.close()
	type row struct {
		name        string
		full, later []int64 // bytes by node
	}
	var rows []row
	for _, name := range systems {
		note("%s: write %d keys", name, l.Keys)
		s, err := lab.system(ctx, name)
		if err != nil {
			return err
		}
		if err := fill(ctx, s, l); err != nil {
			return err
		}
		r := row{name: name}
		if r.full, err = memoryOf(s); err != nil {
			return err
		}
		if err := sleep(ctx, idle); err != nil {
			return err
		}
		if r.later, err = memoryOf(s); err != nil {
			return err
		}
		rows = append(rows, r)
		lab.drop(s)
	}
	fmt.Fprintf(out, "### Resident memory with %d keys of %d bytes\n\n", l.Keys, l.Value)
	fmt.Fprintf(out, "| system | largest node, after writing | x redis | largest node, %v later | x redis | all nodes, later |\n|---|---|---|---|---|---|\n", idle)
	var redisFull, redisLater int64
	for _, r := range rows {
		if r.name == redisName {
			redisFull, redisLater = r.full[0], r.later[0]
		}
	}
	for _, r := range rows {
		var each []string
		for _, n := range r.later {
			each = append(each, mib(n))
		}
		full, later := slices.Max(r.full), slices.Max(r.later)
		fmt.Fprintf(out, "| %s | %s MiB | %s | %s MiB | %s | %v MiB |\n", r.name, mib(full), ratio(full, redisFull), mib(later), ratio(later, redisLater), each)
	}
	return nil
}

func memoryOf(s system) (out []int64, err error) {
	for _, pid := range s.pids() {
		n, err := residentMemory(pid)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

func mib(n int64) string { return fmt.Sprintf("%.0f", float64(n)/(1<<20)) }

func ratio(a, b int64) string {
	if b == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", float64(a)/float64(b))
}
