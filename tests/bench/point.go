package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"raftkv/kv/loadgen"
)

// load is what is sent to every system alike.
type load struct {
	Keys     int64         `json:"keys"`
	Value    int           `json:"value_bytes"`
	Duration time.Duration `json:"-"`
	Warmup   time.Duration `json:"-"`
}

// point is one line of the comparison: an operation and how many ask for it.
type point struct {
	Op       string `json:"op"` // "SET" or "GET"
	Clients  int    `json:"clients"`
	Pipeline int    `json:"pipeline"`
}

func (p point) label() string {
	if p.Pipeline > 1 {
		return fmt.Sprintf("%d x %d", p.Clients, p.Pipeline)
	}
	return fmt.Sprint(p.Clients)
}

// The pipelined point: connections, and commands that each sends at once.
const (
	pipelinedClients = 64
	pipelineDepth    = 16
)

// points lists what is measured. ops are of "set", "get" and "pipelined".
func points(ops []string, clients []int) ([]point, error) {
	var out []point
	for _, op := range []string{"SET", "GET"} {
		if slices.Contains(ops, map[string]string{"SET": "set", "GET": "get"}[op]) {
			for _, n := range clients {
				out = append(out, point{op, n, 1})
			}
			if slices.Contains(ops, "pipelined") {
				out = append(out, point{op, pipelinedClients, pipelineDepth})
			}
		}
	}
	for _, op := range ops {
		if !slices.Contains([]string{"set", "get", "pipelined"}, op) {
			return nil, fmt.Errorf("there is no operation %q: there are set, get and pipelined", op)
		}
	}
	if len(out) == 0 {
		for _, op := range []string{"SET", "GET"} {
			out = append(out, point{op, pipelinedClients, pipelineDepth})
		}
	}
	return out, nil
}

// measurement is what one run of a point measured of one system.
type measurement struct {
	point
	System string        `json:"system"`
	Run    int           `json:"run"`
	Rate   float64       `json:"ops_per_second"`
	P50    time.Duration `json:"p50_ns"`
	P99    time.Duration `json:"p99_ns"`
	P999   time.Duration `json:"p999_ns"`
	Max    time.Duration `json:"max_ns"`
	// CPU time per operation, of all servers together and of the generator.
	ServerCPU time.Duration    `json:"server_cpu_ns_per_op"`
	ClientCPU time.Duration    `json:"client_cpu_ns_per_op"`
	Errors    map[string]int64 `json:"errors,omitempty"`
	Misses    int64            `json:"misses,omitempty"`
}

// measure runs one point against one system, which serves.
func measure(ctx context.Context, s system, l load, p point) (measurement, error) {
	t, err := s.target(ctx, p.Clients)
	if err != nil {
		return measurement{}, err
	}
	defer t.Close()
	var server, client time.Duration
	config := loadgen.Config{
		Target: t, Clients: p.Clients, Pipeline: p.Pipeline,
		Duration: l.Duration, Warmup: l.Warmup, Keys: l.Keys, ValueSize: l.Value,
		Begin: func() { server, client = cpuTime(s.pids()...), cpuTime(os.Getpid()) },
	}
	if p.Op == "GET" {
		config.Reads = 1
	}
	r, err := loadgen.Run(ctx, config)
	if err != nil {
		return measurement{}, err
	}
	if r.Interrupted {
		return measurement{}, ctx.Err()
	}
	n := time.Duration(max(r.All.Count, 1))
	return measurement{
		point: p, System: s.name(), Rate: r.All.Rate,
		P50: r.All.P50, P99: r.All.P99, P999: r.All.P999, Max: r.All.Max,
		ServerCPU: (cpuTime(s.pids()...) - server) / n, ClientCPU: (cpuTime(os.Getpid()) - client) / n,
		Errors: r.Errors, Misses: r.Misses,
	}, nil
}

// fill writes every key once.
func fill(ctx context.Context, s system, l load) error {
	return write(ctx, s, loadgen.Config{Clients: 64, Requests: 1, Keys: l.Keys, ValueSize: l.Value, Fill: true})
}

// write makes load c against s, all of which must succeed.
func write(ctx context.Context, s system, c loadgen.Config) error {
	t, err := s.target(ctx, c.Clients)
	if err != nil {
		return err
	}
	defer t.Close()
	c.Target = t
	r, err := loadgen.Run(ctx, c)
	switch {
	case err != nil:
		return err
	case r.Interrupted:
		return ctx.Err()
	case r.Failed() > 0:
		return fmt.Errorf("%s: %d of %d writes failed: %v", s.name(), r.Failed(), r.Failed()+r.All.Count, r.Errors)
	}
	return nil
}
