package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// compareOptions are the flags of the comparison.
type compareOptions struct {
	common
	load
	systems list
	clients numbers
	ops     list
	runs    int
	json    string
}

func (o *compareOptions) add(f *flag.FlagSet) {
	o.common.add(f)
	o.systems, o.clients, o.ops = slices.Clone(allSystems), numbers{1, 16, 64, 256, 1000}, list{"set", "get", "pipelined"}
	f.Var(&o.systems, "systems", "which systems, separated by commas")
	f.Var(&o.clients, "clients", "numbers of clients of the closed loop")
	f.Var(&o.ops, "ops", "of set, get and pipelined")
	f.DurationVar(&o.Duration, "duration", 5*time.Second, "how long each measurement takes")
	f.DurationVar(&o.Warmup, "warmup", time.Second, "load before it that does not count")
	f.IntVar(&o.runs, "runs", 3, "how often everything is measured")
	f.Int64Var(&o.Keys, "keys", 100_000, "number of keys")
	f.IntVar(&o.Value, "value", 100, "size of values in bytes")
	f.StringVar(&o.json, "json", "", "file for all single measurements")
}

// compare measures all systems side by side and prints the tables.
func compare(ctx context.Context, args []string, out io.Writer) error {
	var o compareOptions
	if err := parse("", o.add, args); err != nil {
		return err
	}
	todo, err := points(o.ops, o.clients)
	if err != nil {
		return err
	}
	l, err := newLab(ctx, o.dir, o.raftkv)
	if err != nil {
		return err
	}
	defer l.close()
	systems, err := startAll(ctx, l, o.systems, o.load)
	if err != nil {
		return err
	}
	conditions, err := look(l.dir)
	if err != nil {
		return err
	}
	results, err := interleave(ctx, systems, o.load, todo, o.runs)
	if len(results) > 0 {
		fmt.Fprintf(out, "%s\n%s", conditions, compareText(o))
		for _, op := range []string{"SET", "GET"} {
			writeTable(out, op, o.systems, results)
		}
	}
	if err == nil && o.json != "" {
		err = writeJSON(o.json, conditions, results)
	}
	return err
}

// startAll starts the systems one after the other, fills them with keys and
// leaves them paused. redis-server may be missing.
func startAll(ctx context.Context, l *lab, names []string, keys load) ([]system, error) {
	var out []system
	for _, name := range names {
		if _, err := exec.LookPath("redis-server"); name == redisName && err != nil {
			fmt.Fprintln(os.Stderr, "redis-server is not installed and is left out")
			continue
		}
		note("%s: start, and write %d keys", name, keys.Keys)
		s, err := l.system(ctx, name)
		if err != nil {
			return nil, err
		}
		if err := fill(ctx, s, keys); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if err := rest(ctx, s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// rest pauses a system when what it does after load is done.
func rest(ctx context.Context, s system) error {
	if err := sleep(ctx, 200*time.Millisecond); err != nil {
		return err
	}
	return pause(s)
}

// interleave measures each point of all systems one right after the other, and
// all that several times over: the machine drifts, and neighbours in time can be
// compared. In every run another system is the first.
func interleave(ctx context.Context, systems []system, l load, todo []point, runs int) ([]measurement, error) {
	var out []measurement
	for run := range runs {
		for _, p := range todo {
			for i := range systems {
				s := systems[(i+run)%len(systems)]
				if p.Pipeline > 1 && !s.pipelines() {
					continue
				}
				if err := resume(s); err != nil {
					return out, err
				}
				if err := serving(ctx, s); err != nil {
					return out, err
				}
				m, err := measure(ctx, s, l, p)
				if err != nil {
					return out, fmt.Errorf("%s with %s clients at %s: %w", p.Op, p.label(), s.name(), err)
				}
				m.Run = run
				out = append(out, m)
				note("run %d of %d: %s %s %s: %s/s, p99 %s ms%s", run+1, runs, p.Op, p.label(), s.name(), count(m.Rate), ms(m.P99), failures(m))
				if err := rest(ctx, s); err != nil {
					return out, err
				}
			}
		}
	}
	return out, nil
}

func failures(m measurement) string {
	var out strings.Builder
	for code, n := range m.Errors {
		fmt.Fprintf(&out, ", %d failed with %s", n, code)
	}
	if m.Misses > 0 {
		fmt.Fprintf(&out, ", %d found no value", m.Misses)
	}
	return out.String()
}

func compareText(o compareOptions) string {
	return fmt.Sprintf(`%d keys, values of %d bytes, %v a measurement after %v of warm-up, %d runs. 3 nodes each but for redis, which is ONE unreplicated
server that syncs before it answers. Shown are the median and, in brackets, the lowest and highest of the runs. "x etcd" is the
median of the ratios to etcd's measurement in the same run. CPU is microseconds an operation: all servers + generator.
`, o.Keys, o.Value, o.Duration, o.Warmup, o.runs)
}
