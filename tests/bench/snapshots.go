package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"raftkv/kv/loadgen"
	"raftkv/kv/resp"
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
	note("%s: write until %d snapshots were taken", name, o.want)
	watch := &snapshotWatch{want: o.want}
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
		watchErr = watch.follow(bounded, r.addrs)
		cancel()
	})
	result, err := loadgen.Run(bounded, loadgen.Config{
		Target: record, Clients: o.clients, Rate: o.rate, Duration: o.longest, Keys: o.Keys, ValueSize: o.Value,
	})
	ended := time.Now()
	cancel()
	all.Wait()
	if err := errors.Join(err, watchErr, ctx.Err()); err != nil {
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
	list, err := r.cluster.Nodes()
	if err != nil {
		return err
	}
	var p phases
	for _, n := range list {
		if err := p.read(n.Dir, restarted, ended); err != nil {
			return err
		}
	}
	row := func(what string, took []float64, times []time.Duration) {
		each := "-"
		if len(took) > 0 {
			each = spreadOf(took).text(func(f float64) string { return fmt.Sprintf("%.2f", f) })
		}
		fmt.Fprintf(out, "| %s | %s | %d | %s | %s |\n", name, what, len(took), each, describe(times))
	}
	row("writes a snapshot", p.wrote, record.during(p.writing, false))
	row("compacts its log", p.compacted, record.during(p.compaction, false))
	row("does neither", nil, record.during(slices.Concat(p.writing, p.compaction), true))
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

// askSnapshotting asks a node whether it is taking a snapshot.
func askSnapshotting(nc net.Conn, r *bufio.Reader) (bool, error) {
	nc.SetDeadline(time.Now().Add(probeTimeout))
	if _, err := nc.Write(resp.AppendCommand(nil, "INFO", "persistence")); err != nil {
		return false, err
	}
	reply, err := resp.ReadReply(r)
	if err != nil {
		return false, err
	}
	_, rest, ok := strings.Cut(string(reply.Str), "rdb_bgsave_in_progress:")
	if !ok {
		return false, fmt.Errorf("INFO has no rdb_bgsave_in_progress: %.80q", reply.Str)
	}
	return rest[0] == '1', nil
}
