package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"raftkv/kv/check"
	"raftkv/kv/history"
)

// matrix is a run of all cells, one after the other.
type matrix struct {
	binary, dir, unsafe string
	duration            time.Duration
	seed                uint64
	port                int
	works, faults       []row
	cells               []cell
	out, progress       io.Writer

	began   time.Time
	results []result // of the first cells
	cluster *target  // that runs; nil: the next cell starts one
	started int      // clusters so far
}

const (
	// leastTime is how long the clients of a cell work at least.
	leastTime = 3 * time.Second
	// gap between two faults, on average.
	gap = 300 * time.Millisecond
	// within this the cluster must serve after each cell.
	within = time.Minute
	// tellEach is how often a cell tells how far it is.
	tellEach = 5 * time.Second
	// window is as long as an outage may be that is measured.
	window = 5 * time.Second
)

// run runs the cells until all are done or ctx ends, and prints the table.
func (m *matrix) run(ctx context.Context) error {
	m.began = time.Now()
	m.dir = filepath.Join(m.dir, m.began.Format("20060102-150405"))
	if err := os.MkdirAll(m.dir, 0o755); err != nil {
		return err
	}
	m.note("%d cells in %v, seed %d; Ctrl-C prints what is done", len(m.cells), m.duration, m.seed)
	err := m.runAll(ctx)
	err = errors.Join(err, m.stop(true))
	if writeErr := m.write(); writeErr != nil {
		err = errors.Join(err, writeErr)
	}
	m.table(m.out)
	return err
}

func (m *matrix) runAll(ctx context.Context) error {
	var spent time.Duration // beside the clients' work
	for i := range m.cells {
		c := &m.cells[i]
		// What judging and healing took so far, the others will need as well.
		share := (m.duration - time.Since(m.began)) / time.Duration(len(m.cells)-i)
		work := max(share-spent/time.Duration(max(i, 1)), leastTime).Round(100 * time.Millisecond)
		m.note("%3d/%d  %-50s  %v, seed %d", i+1, len(m.cells), c, work, c.seed)
		start := time.Now()
		r, err := m.one(ctx, c, work)
		if ctx.Err() != nil && (err != nil || r.Operations == 0) {
			return nil // there is nothing to judge
		}
		if err != nil {
			return err
		}
		r.Took = time.Since(start).Round(time.Millisecond).Seconds()
		spent += max(time.Since(start)-work, 0)
		m.results = append(m.results, r)
		m.note("         %s  %s", r.text(), r.Why)
		if r.Kept != "" {
			m.note("         history in %s, the nodes' data in %s\n         again: %s", r.Kept, r.Data, r.Command)
		}
		if ctx.Err() != nil {
			return nil
		}
	}
	return nil
}

// one runs a cell. An error says that no cluster can be started; one that does not
// serve any more is a result.
func (m *matrix) one(ctx context.Context, c *cell, work time.Duration) (result, error) {
	r := result{Workload: c.work.name, Fault: c.fault.name, Groups: c.groups, Seed: c.seed}
	if m.cluster != nil && m.cluster.groups != c.groups {
		if err := m.stop(true); err != nil {
			return r, err
		}
	}
	if m.cluster == nil {
		if err := m.start(ctx, c.groups); err != nil {
			return r, errors.Join(err, m.stop(false))
		}
	}
	out := filepath.Join(m.dir, fmt.Sprintf("cell-%d", len(m.results)+1))
	config := check.Config{
		Redis: m.cluster.redis, HTTP: m.cluster.http, Breaker: check.NewBreaker(m.cluster.Cluster, m.cluster.http, ""),
		For: work, Seed: c.seed, Workloads: c.workloads, Classes: c.classes, Moves: c.groups > 1,
		Gap: gap, Window: window, Within: within, StopEarly: true, Out: out,
	}
	next := tellEach
	config.Progress = func(p check.Progress) {
		if p.Elapsed >= next {
			next += tellEach
			m.note("         %3.0fs  %d answers, %d faults  %s", p.Elapsed.Seconds(), p.Known, p.Faults, p.Fault)
		}
	}
	busy := newBusyMeter()
	report, err := check.Run(ctx, config)
	waited := busy.stop()
	if err != nil {
		r.Verdict, r.Why = history.Undecided, err.Error()
	} else {
		r.conclude(c, report, waited)
	}
	if text := m.cluster.crashes(); text != "" {
		r.Verdict, r.Why = history.Violated, text
	}
	if r.Verdict == history.Correct {
		return r, os.RemoveAll(out)
	}
	// The next cell must not start from what this one has left behind.
	r.Kept, r.Data, r.Command = out, m.cluster.Dir(), c.again(m.seed, m.unsafe)
	return r, m.stop(false)
}

// verdict is the exit code.
func (m *matrix) verdict() int {
	code := exitCorrect
	for _, r := range m.results {
		switch r.Verdict {
		case history.Violated:
			return exitViolated
		case history.Undecided:
			code = exitUndecided
		}
	}
	if len(m.results) == 0 {
		return exitUndecided
	}
	return code
}

// write leaves the results and the table in the folder of the run.
func (m *matrix) write() error {
	b, err := json.MarshalIndent(m.results, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(m.dir, "matrix.json"), append(b, '\n'), 0o644); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(m.dir, "matrix.txt"))
	if err != nil {
		return err
	}
	m.table(f)
	return f.Close()
}

// note tells how far the run is.
func (m *matrix) note(format string, args ...any) {
	fmt.Fprintf(m.progress, "%6s  "+format+"\n", append([]any{time.Since(m.began).Round(time.Second)}, args...)...)
}
