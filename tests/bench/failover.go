package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"time"

	"raftkv/kv/loadgen"
)

// failover prints how long writes are impossible after kill -9 of the leader.
func failover(ctx context.Context, args []string, out io.Writer) error {
	var c common
	l := load{Value: 100}
	times := 20
	systems := list{raftkvWAL, raftkvBolt, etcdName}
	err := parse("failover", func(f *flag.FlagSet) {
		c.add(f)
		f.IntVar(&times, "times", times, "how often a leader is killed")
		f.Int64Var(&l.Keys, "keys", 100_000, "number of keys that are there")
		f.Var(&systems, "systems", "which systems")
	}, args)
	if err != nil {
		return err
	}
	lab, err := newLab(ctx, c.dir, c.raftkv)
	if err != nil {
		return err
	}
	defer lab.close()
	fmt.Fprintf(out, "### From kill -9 of the leader to the next acknowledged write, %d times\n\n", times)
	fmt.Fprintln(out, "| system | median ms | lowest..highest ms |\n|---|---|---|")
	for _, name := range systems {
		s, err := lab.system(ctx, name)
		if err != nil {
			return err
		}
		if err := fill(ctx, s, l); err != nil {
			return err
		}
		var took []float64
		for range times {
			t, err := failOver(ctx, s)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			note("%s: %s ms", name, ms(t))
			took = append(took, float64(t)/1e6)
		}
		r := spreadOf(took)
		fmt.Fprintf(out, "| %s | %.0f | %.0f..%.0f |\n", name, r.median, r.low, r.high)
		lab.drop(s)
	}
	return nil
}

// failOver kills the leader once, and has all nodes run again at its end.
func failOver(ctx context.Context, s system) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, servingTimeout)
	defer cancel()
	if err := serving(ctx, s); err != nil {
		return 0, err
	}
	// The killed node of the last time catches up.
	if err := sleep(ctx, time.Second); err != nil {
		return 0, err
	}
	leader, err := s.leader(ctx)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	if err := s.kill(leader); err != nil {
		return 0, err
	}
	if _, err := s.await(ctx, loadgen.Write, leader); err != nil {
		return 0, fmt.Errorf("no other node leads: %w", err)
	}
	took := time.Since(start)
	return took, s.startNode(ctx, leader)
}
