package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"time"

	"raftkv/kv/loadgen"
)

// variant is a system with its settings, by the name that a table shows.
type variant struct {
	label  string
	system string
	flags  []string
}

// without makes raftkv never take a snapshot by itself.
const without = "--replay-budget=-1s"

// restart prints how long a cluster needs from kill -9 of all nodes until the
// first linearizable read, by the number of commands that it had executed.
func restart(ctx context.Context, args []string, out io.Writer) error {
	var c common
	l := load{}
	commands, etcdMost, repeat, clients := numbers{100_000, 1_000_000, 3_000_000}, 1_000_000, 5, 256
	systems := list{raftkvWAL, raftkvBolt, etcdName}
	err := parse("restart", func(f *flag.FlagSet) {
		c.add(f)
		f.Var(&commands, "commands", "how many commands are executed before")
		f.IntVar(&etcdMost, "etcd-most", etcdMost, "leave etcd out beyond so many commands: writing them takes it minutes")
		f.Var(&systems, "systems", "which systems")
		f.IntVar(&repeat, "repeat", repeat, "how often each cluster is killed and started")
		f.IntVar(&clients, "clients", clients, "clients that write the commands: the more, the more commands share an entry of raftkv's log")
		f.Int64Var(&l.Keys, "keys", 100_000, "number of keys")
		f.IntVar(&l.Value, "value", 100, "size of values in bytes")
	}, args)
	if err != nil {
		return err
	}
	lab, err := newLab(ctx, c.dir, c.raftkv)
	if err != nil {
		return err
	}
	defer lab.close()
	var variants []variant
	for _, name := range systems {
		if name == raftkvWAL || name == raftkvBolt {
			variants = append(variants, variant{name + ", no snapshot", name, []string{without}})
		}
		variants = append(variants, variant{name, name, nil})
	}
	fmt.Fprintf(out, "### From process start to the first linearizable read, after kill -9 of all nodes\n\n")
	fmt.Fprintf(out, "SETs of %d bytes to %d keys by %d clients; all nodes are started at once, %d times; elections included. \"no snapshot\" is\n%s; the others take theirs as their defaults say.\n\n", l.Value, l.Keys, clients, repeat, without)
	fmt.Fprintln(out, "| commands | system | median s | lowest..highest s |\n|---|---|---|---|")
	for _, n := range commands {
		for _, v := range variants {
			if v.system == etcdName && n > etcdMost {
				continue
			}
			load := loadgen.Config{Clients: clients, Requests: int64(n), Keys: l.Keys, ValueSize: l.Value}
			times, err := restartTimes(ctx, lab, v, load, repeat)
			if err != nil {
				return fmt.Errorf("%s: %w", v.label, err)
			}
			s := spreadOf(times)
			fmt.Fprintf(out, "| %d | %s | %.2f | %.2f..%.2f |\n", n, v.label, s.median, s.low, s.high)
		}
	}
	return nil
}

// restartTimes writes the load to a new cluster, kills and starts it again and
// again, and returns the seconds until it served.
func restartTimes(ctx context.Context, lab *lab, v variant, l loadgen.Config, repeat int) ([]float64, error) {
	note("%s: write %d commands", v.label, l.Requests)
	s, err := lab.system(ctx, v.system, v.flags...)
	if err != nil {
		return nil, err
	}
	defer lab.drop(s)
	if err := write(ctx, s, l); err != nil {
		return nil, err
	}
	var times []float64
	for range repeat {
		// A snapshot that is being taken may end, and all nodes learn what is
		// committed.
		if err := serving(ctx, s); err != nil {
			return nil, err
		}
		if err := sleep(ctx, 2*time.Second); err != nil {
			return nil, err
		}
		if err := s.kill(); err != nil {
			return nil, err
		}
		start := time.Now()
		if err := s.start(ctx); err != nil {
			return nil, err
		}
		bounded, cancel := context.WithTimeout(ctx, servingTimeout)
		_, err := s.await(bounded, loadgen.Read)
		cancel()
		if err != nil {
			return nil, fmt.Errorf("it does not serve %v after its start (%w); %w", servingTimeout, err, s.alive())
		}
		times = append(times, time.Since(start).Seconds())
		note("%s: %.2f s", v.label, times[len(times)-1])
	}
	return times, nil
}
