package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"raftkv/kv/loadgen"
)

// snapshotOptions are the flags of mode snapshot.
type snapshotOptions struct {
	common
	load
	systems list
	clients int
	rate    float64
	budget  time.Duration
	want    int
	longest time.Duration
	apart   string
}

func (o *snapshotOptions) add(f *flag.FlagSet) {
	o.common.add(f)
	o.systems = list{raftkvWAL, raftkvBolt}
	f.Var(&o.systems, "systems", "raftkv or raftkv-boltdb")
	f.Int64Var(&o.Keys, "keys", 5_000_000, "number of keys")
	f.IntVar(&o.Value, "value", 100, "size of values in bytes")
	f.IntVar(&o.clients, "clients", 16, "clients that write meanwhile")
	f.Float64Var(&o.rate, "rate", 2000, "writes a second of all clients together; 0: as fast as it goes")
	f.DurationVar(&o.budget, "replay-budget", 50*time.Millisecond, "the nodes' replay budget: a small one makes snapshots frequent")
	f.IntVar(&o.want, "snapshots", 6, "how many snapshots are waited for")
	f.DurationVar(&o.longest, "longest", 5*time.Minute, "but not longer than this")
	f.StringVar(&o.apart, "apart", "", "a `process` of this machine, such as kdamond.0: tell apart the writes during which it did not run")
}

// snapshots prints how writes fare while a large state is written out.
func snapshots(ctx context.Context, args []string, out io.Writer) error {
	var o snapshotOptions
	if err := parse("snapshot", o.add, args); err != nil {
		return err
	}
	lab, err := newLab(ctx, o.dir, o.raftkv)
	if err != nil {
		return err
	}
	defer lab.close()
	fmt.Fprintf(out, "### Writes while a snapshot of %d keys is written out and the log is compacted behind it\n\n", o.Keys)
	fmt.Fprintf(out, "%d clients with %.0f writes/s together, in the same run (--replay-budget=%v makes snapshots frequent). A write counts for all that any of\nthe three nodes did meanwhile, by the nodes' logs; a compaction ends when the log's files are removed.\n\n", o.clients, o.rate, o.budget)
	fmt.Fprintln(out, "| system | while a node | times | each took s | writes | p50 / p99 / p99.9 ms | longest ms |\n|---|---|---|---|---|---|---|")
	for _, name := range o.systems {
		if err := snapshotRow(ctx, lab, name, o, out); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func snapshotRow(ctx context.Context, lab *lab, name string, o snapshotOptions, out io.Writer) error {
	note("%s: write %d keys", name, o.Keys)
	s, err := lab.system(ctx, name, without)
	if err != nil {
		return err
	}
	defer lab.drop(s)
	r, ok := s.(*raftkvCluster)
	if !ok {
		return errors.New("this mode is for raftkv alone")
	}
	if err := fill(ctx, s, o.load); err != nil {
		return err
	}
	// Start again with a budget that the log has outgrown already: the first snapshots
	// let each node compact all that the keys have left in it.
	restarted := time.Now()
	if err := r.reconfigure(ctx, "--replay-budget="+o.budget.String()); err != nil {
		return err
	}
	other, err := newApart(o.apart)
	if err != nil {
		return err
	}
	note("%s: write until %d snapshots were taken", name, o.want)
	record := &timedTarget{}
	if record.target, err = s.target(ctx, o.clients); err != nil {
		return err
	}
	defer record.target.Close()
	bounded, cancel := context.WithTimeout(ctx, o.longest)
	defer cancel()
	var watchErr error
	var all sync.WaitGroup
	all.Go(func() {
		watchErr = r.awaitSnapshots(bounded, o.want, restarted)
		cancel()
	})
	other.watch(bounded)
	result, err := loadgen.Run(bounded, loadgen.Config{
		Target: record, Clients: o.clients, Rate: o.rate, Duration: o.longest, Keys: o.Keys, ValueSize: o.Value,
	})
	ended := time.Now()
	cancel()
	all.Wait()
	if err := errors.Join(err, watchErr, other.wait(), ctx.Err()); err != nil {
		return err
	}
	if result.Failed() > 0 {
		return fmt.Errorf("writes failed: %v", result.Errors)
	}
	for _, op := range record.longest(slowest) {
		note("%s: a write took %s ms from %s on", name, ms(op.end.Sub(op.start)), op.start.UTC().Format("15:04:05.000"))
	}
	if err := sleep(ctx, logDelay); err != nil {
		return err
	}
	p, err := r.phases(restarted, ended)
	if err != nil {
		return err
	}
	row := func(what string, took []float64, counts func(window) bool) {
		each := "-"
		if len(took) > 0 {
			each = spreadOf(took).text(func(f float64) string { return fmt.Sprintf("%.2f", f) })
		}
		fmt.Fprintf(out, "| %s | %s | %d | %s | %s |\n", name, what, len(took), each, describe(record.during(counts)))
		if o.apart != "" {
			fmt.Fprintf(out, "| | and %s does not run | | | %s |\n", o.apart, describe(record.during(func(op window) bool {
				return counts(op) && !op.overlapsAny(other.ran)
			})))
		}
	}
	row("writes a snapshot", p.wrote, func(op window) bool { return op.overlapsAny(p.writing) })
	row("compacts its log", p.compacted, func(op window) bool { return op.overlapsAny(p.compaction) })
	row("does neither", nil, func(op window) bool { return !op.overlapsAny(p.writing) && !op.overlapsAny(p.compaction) })
	return nil
}

// slowest is how many of the longest writes are named, to be found in the nodes' logs.
const slowest = 10

// logDelay is longer than a node's log takes to reach its file.
const logDelay = time.Second

// describe prints the number, quantiles and highest of some times.
func describe(times []time.Duration) string {
	if len(times) == 0 {
		return "0 | - | -"
	}
	slices.Sort(times)
	at := func(q float64) string { return ms(times[int(q*float64(len(times)-1))]) }
	return fmt.Sprintf("%d | %s / %s / %s | %s", len(times), at(0.5), at(0.99), at(0.999), at(1))
}

// reconfigure starts all nodes again with other flags.
func (r *raftkvCluster) reconfigure(ctx context.Context, flags ...string) error {
	if err := r.kill(); err != nil {
		return err
	}
	if r.label == raftkvBolt {
		flags = append(flags, "--log-store=boltdb")
	}
	if err := r.cluster.SetFlags(flags); err != nil {
		return err
	}
	if err := r.start(ctx); err != nil {
		return err
	}
	return serving(ctx, r)
}
