package main

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"raftkv/kv/loadgen"
)

// window is a span of time.
type window struct{ start, end time.Time }

// overlaps tells whether w and o have a moment in common.
func (w window) overlaps(o window) bool { return o.start.Before(w.end) && w.start.Before(o.end) }

// overlapsAny tells whether w has a moment in common with any of some others.
func (w window) overlapsAny(others []window) bool { return slices.ContainsFunc(others, w.overlaps) }

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

// during returns the times of the operations that count. It is called when no operation
// is under way.
func (t *timedTarget) during(counts func(window) bool) (times []time.Duration) {
	for _, c := range t.conns {
		for _, op := range c.ops {
			if counts(op) {
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
		if len(out) < n && !near.overlapsAny(out) {
			out = append(out, op)
		}
	}
	return out
}
