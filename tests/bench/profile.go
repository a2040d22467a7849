package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/pprof/profile"

	"raftkv/kv/loadgen"
)

// area is a part of a server's work, known by the functions below which a sample
// was taken. The first area of the list that fits gets the sample.
type area struct {
	name      string
	functions []string // parts of their names
}

var areas = []area{
	{"collecting garbage", []string{"runtime.gcBgMarkWorker", "runtime.gcAssistAlloc", "runtime.bgsweep", "runtime.bgscavenge"}},
	{"disk: write and fsync the log", []string{"raft-wal", "go.etcd.io/bbolt", "raftkv/kv/raftlog"}},
	{"peers: encode, send, receive", []string{"raftkv/kv/transport"}},
	{"clients: read from sockets", []string{"kv/server.(*conn).fill", "kv/server.(*conn).receive", "kv/server.(*pass).readAll", "kv/rawio.(*Poller).Look"}},
	{"clients: write to sockets", []string{"kv/server.(*conn).flush", "kv/server.(*conn).deliver", "kv/server.(*pass).writeAll", "kv/server.(*socket).Write"}},
	{"state: execute writes", []string{"raftkv/kv/fsm.(*FSM).applyLog", "raftkv/kv/fsm.(*FSM).ApplyBatch"}},
	{"state: execute reads", []string{"raftkv/kv/fsm.(*FSM).View"}},
	{"snapshots", []string{"raftkv/snapshot", "raftkv/kv/fsm.(*image)"}},
	{"allocating", []string{"runtime.mallocgc", "runtime.growslice", "runtime.newobject"}},
	{"clients: parse, route, answer", []string{"raftkv/kv/server", "raftkv/kv/resp", "raftkv/kv/command"}},
	{"batches and read index", []string{"raftkv/kv/group"}},
	{"hashicorp/raft", []string{"hashicorp/raft."}},
	{"Go: network poller", []string{"runtime.netpoll"}},
	{"Go: scheduler and timers", []string{"runtime.schedule", "runtime.mcall", "runtime.findRunnable", "runtime.sysmon", "runtime.mstart", "runtime.futex", "runtime.systemstack"}},
}

const otherArea = "other"

// profiles prints where the servers' CPU time goes.
func profiles(ctx context.Context, args []string, out io.Writer) error {
	var c common
	l := load{Value: 100, Warmup: time.Second}
	clients := numbers{64, 1000}
	err := parse("profile", func(f *flag.FlagSet) {
		c.add(f)
		f.Var(&clients, "clients", "numbers of clients of the closed loop")
		f.DurationVar(&l.Duration, "duration", 5*time.Second, "how long each profile is taken")
		f.Int64Var(&l.Keys, "keys", 100_000, "number of keys")
	}, args)
	if err != nil {
		return err
	}
	lab, err := newLab(ctx, c.dir, c.raftkv)
	if err != nil {
		return err
	}
	defer lab.close()
	s, err := lab.system(ctx, raftkvWAL, "--pprof")
	if err != nil {
		return err
	}
	if err := fill(ctx, s, l); err != nil {
		return err
	}
	t := &profileTable{shares: make(map[string]map[string]float64)}
	for _, op := range []string{"SET", "GET"} {
		for _, n := range clients {
			if err := t.measure(ctx, s.(*raftkvCluster), l, point{op, n, 1}); err != nil {
				return err
			}
		}
	}
	t.write(out)
	return nil
}

// profileTable collects, by column, the share of each area in percent.
type profileTable struct {
	columns []string
	cores   []float64 // used, by column
	shares  map[string]map[string]float64
}

// measure profiles the leader and a follower under load.
func (t *profileTable) measure(ctx context.Context, r *raftkvCluster, l load, p point) error {
	if err := serving(ctx, r); err != nil {
		return err
	}
	leader, err := r.leader(ctx)
	if err != nil {
		return err
	}
	list, err := r.cluster.Nodes()
	if err != nil {
		return err
	}
	begun := make(chan struct{})
	target, err := r.target(ctx, p.Clients)
	if err != nil {
		return err
	}
	defer target.Close()
	config := loadgen.Config{Target: target, Clients: p.Clients, Duration: l.Duration + time.Second, Warmup: l.Warmup,
		Keys: l.Keys, ValueSize: l.Value, Begin: func() { close(begun) }}
	if p.Op == "GET" {
		config.Reads = 1
	}
	roles := []struct {
		name string
		http string
	}{{"leader", list[leader].HTTP}, {"follower", list[(leader+1)%len(list)].HTTP}}
	taken := make([]*profile.Profile, len(roles))
	errs := make([]error, len(roles)+1)
	var all sync.WaitGroup
	all.Go(func() { _, errs[len(roles)] = loadgen.Run(ctx, config) })
	for i, role := range roles {
		all.Go(func() {
			<-begun
			taken[i], errs[i] = takeProfile(ctx, role.http, l.Duration)
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	for i, role := range roles {
		if p.Op == "GET" && role.name == "follower" {
			continue // it only answers heartbeats
		}
		t.add(fmt.Sprintf("%s %d, %s", p.Op, p.Clients, role.name), taken[i], l.Duration)
	}
	note("%s with %d clients", p.Op, p.Clients)
	return nil
}

func takeProfile(ctx context.Context, addr string, d time.Duration) (*profile.Profile, error) {
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", addr, int(d.Seconds()))
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, response.Status)
	}
	return profile.Parse(response.Body)
}

func (t *profileTable) add(column string, p *profile.Profile, d time.Duration) {
	total, by := float64(0), make(map[string]float64)
	for _, s := range p.Sample {
		nanoseconds := float64(s.Value[len(s.Value)-1])
		by[areaOf(s)] += nanoseconds
		total += nanoseconds
	}
	for name := range by {
		by[name] *= 100 / total
	}
	t.columns = append(t.columns, column)
	t.cores = append(t.cores, total/float64(d))
	t.shares[column] = by
}

// areaOf finds the area of a sample.
func areaOf(s *profile.Sample) string {
	for _, a := range areas {
		for _, location := range s.Location {
			for _, line := range location.Line {
				if slices.ContainsFunc(a.functions, func(f string) bool { return strings.Contains(line.Function.Name, f) }) {
					return a.name
				}
			}
		}
	}
	return otherArea
}

func (t *profileTable) write(out io.Writer) {
	fmt.Fprintf(out, "### Where the CPU time goes, in percent of each process's\n\n| | %s |\n|---|%s\n", strings.Join(t.columns, " | "), strings.Repeat("---|", len(t.columns)))
	fmt.Fprint(out, "| cores used |")
	for _, c := range t.cores {
		fmt.Fprintf(out, " %.2f |", c)
	}
	fmt.Fprintln(out)
	names := make([]string, 0, len(areas)+1)
	for _, a := range areas {
		names = append(names, a.name)
	}
	for _, name := range append(names, otherArea) {
		fmt.Fprintf(out, "| %s |", name)
		for _, c := range t.columns {
			fmt.Fprintf(out, " %.0f |", t.shares[c][name])
		}
		fmt.Fprintln(out)
	}
}
