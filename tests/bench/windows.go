package main

import (
	"bufio"
	"cmp"
	"context"
	"net"
	"slices"
	"sync"
	"time"

	"raftkv/kv/loadgen"
)

// window is a span of time.
type window struct{ start, end time.Time }

// overlaps tells whether w and o have a moment in common.
func (w window) overlaps(o window) bool { return o.start.Before(w.end) && w.start.Before(o.end) }

// snapshotWatch counts the snapshots that nodes take.
type snapshotWatch struct {
	want  int
	mu    sync.Mutex
	taken int
}

// watchPause is how often each node is asked.
const watchPause = 20 * time.Millisecond

// follow returns when the wanted number of snapshots was taken, or when ctx ends.
func (w *snapshotWatch) follow(ctx context.Context, addrs []string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make(chan error, len(addrs))
	var all sync.WaitGroup
	for _, addr := range addrs {
		all.Go(func() {
			errs <- w.node(ctx, addr, cancel)
			cancel()
		})
	}
	all.Wait()
	for range addrs {
		if err := <-errs; err != nil {
			return err
		}
	}
	return nil
}

// node watches one node and calls enough when enough were taken.
func (w *snapshotWatch) node(ctx context.Context, addr string, enough func()) error {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer nc.Close()
	r := bufio.NewReader(nc)
	taking := false
	for sleep(ctx, watchPause) == nil {
		busy, err := askSnapshotting(nc, r)
		if err != nil {
			return err
		}
		if taking && !busy && w.add() {
			enough()
		}
		taking = busy
	}
	return nil
}

func (w *snapshotWatch) add() (enough bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.taken++
	return w.taken >= w.want
}

// timedTarget notes when each operation began and ended.
type timedTarget struct {
	target target
	mu     sync.Mutex
	conns  []*timedConn
}

type timedConn struct {
	loadgen.Conn
	ops []window
}

func (t *timedTarget) Dial(ctx context.Context, client int) (loadgen.Conn, error) {
	c, err := t.target.Dial(ctx, client)
	if err != nil {
		return nil, err
	}
	timed := &timedConn{Conn: c}
	t.mu.Lock()
	t.conns = append(t.conns, timed)
	t.mu.Unlock()
	return timed, nil
}

func (c *timedConn) Do(ctx context.Context, batch []loadgen.Op) error {
	start := time.Now()
	err := c.Conn.Do(ctx, batch)
	if err == nil {
		c.ops = append(c.ops, window{start, time.Now()})
	}
	return err
}

// during returns the times of operations that overlap a window, or of all others. It is
// called when no operation is under way.
func (t *timedTarget) during(windows []window, others bool) (times []time.Duration) {
	for _, c := range t.conns {
		for _, op := range c.ops {
			if slices.ContainsFunc(windows, op.overlaps) != others {
				times = append(times, op.end.Sub(op.start))
			}
		}
	}
	return times
}

// stalled is how far apart operations began that did not suffer from the same stall.
const stalled = 200 * time.Millisecond

// longest returns the n operations that took longest, one for each stall. It is called
// when no operation is under way.
func (t *timedTarget) longest(n int) (out []window) {
	var all []window
	for _, c := range t.conns {
		all = append(all, c.ops...)
	}
	slices.SortFunc(all, func(a, b window) int { return cmp.Compare(b.end.Sub(b.start), a.end.Sub(a.start)) })
	for _, op := range all {
		near := window{op.start.Add(-stalled), op.end.Add(stalled)}
		if len(out) < n && !slices.ContainsFunc(out, near.overlaps) {
			out = append(out, op)
		}
	}
	return out
}
