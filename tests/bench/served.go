package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"raftkv/kv/ask"
)

// servedWindow is how long load is counted until it is compared.
const servedWindow = time.Second

// servedLoad is what each node executed in one window.
type servedLoad struct {
	end time.Time
	ops []float64 // by node
}

// factor is the busiest node's load beside the mean, 0 without load.
func (w servedLoad) factor() float64 {
	sum := 0.0
	for _, n := range w.ops {
		sum += n
	}
	if sum == 0 {
		return 0
	}
	return slices.Max(w.ops) * float64(len(w.ops)) / sum
}

// servedSince counts in windows what nodes execute, by their own counters, until ctx
// ends. A command that a node redirects is none that it executes.
func servedSince(ctx context.Context, r *raftkvCluster) ([]servedLoad, error) {
	list, err := r.cluster.Nodes()
	if err != nil {
		return nil, err
	}
	count := func() ([]float64, error) {
		out, errs := make([]float64, len(list)), make([]error, len(list))
		var all sync.WaitGroup
		for i, n := range list {
			all.Go(func() { out[i], errs[i] = executed(ctx, n.HTTP) })
		}
		all.Wait()
		for _, err := range errs {
			if err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	last, err := count()
	if err != nil {
		return nil, err
	}
	var out []servedLoad
	ticker := time.NewTicker(servedWindow)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return out, nil
		case <-ticker.C:
		}
		now, err := count()
		if ctx.Err() != nil {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		w := servedLoad{end: time.Now(), ops: make([]float64, len(now))}
		for i := range now {
			w.ops[i] = now[i] - last[i]
		}
		out, last = append(out, w), now
	}
}

// executed returns how many reads and writes of clients a node has executed.
func executed(ctx context.Context, addr string) (total float64, err error) {
	metrics, err := ask.Question{Addr: addr, Path: "/metrics"}.Raw(ctx)
	if err != nil {
		return 0, err
	}
	lines := bufio.NewScanner(bytes.NewReader(metrics))
	for lines.Scan() {
		labels, ok := strings.CutPrefix(lines.Text(), "raftkv_commands_total{")
		if !ok || !strings.Contains(labels, `outcome="ok"`) || !strings.Contains(labels, `command="get"`) && !strings.Contains(labels, `command="set"`) {
			continue
		}
		_, number, _ := strings.Cut(labels, "} ")
		n, err := strconv.ParseFloat(number, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %q: %w", addr, lines.Text(), err)
		}
		total += n
	}
	return total, lines.Err()
}
