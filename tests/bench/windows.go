package main

import (
	"bufio"
	"context"
	"net"
	"sync"
	"time"

	"raftkv/kv/loadgen"
)

// window is a time in which a node took a snapshot.
type window struct{ start, end time.Time }

// snapshotWatch notes when nodes take snapshots.
type snapshotWatch struct {
	want    int
	mu      sync.Mutex
	windows []window
	took    []float64 // seconds, of snapshots that were seen to their end
}

// watchPause is how often each node is asked: so long may a window begin before
// it is noticed. Windows are widened by it.
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

// node watches one node and calls enough when there are enough windows.
func (w *snapshotWatch) node(ctx context.Context, addr string, enough func()) error {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer nc.Close()
	r := bufio.NewReader(nc)
	var started time.Time
	for sleep(ctx, watchPause) == nil {
		busy, err := askSnapshotting(nc, r)
		if err != nil {
			return err
		}
		switch now := time.Now(); {
		case busy && started.IsZero():
			started = now.Add(-2 * watchPause)
		case !busy && !started.IsZero():
			if w.add(window{started, now.Add(watchPause)}, true) {
				enough()
			}
			started = time.Time{}
		}
	}
	// What a snapshot that did not end in time disturbed counts as well.
	if !started.IsZero() {
		w.add(window{started, time.Now()}, false)
	}
	return nil
}

func (w *snapshotWatch) add(x window, whole bool) (enough bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.windows = append(w.windows, x)
	if whole {
		w.took = append(w.took, x.end.Sub(x.start).Seconds())
	}
	return len(w.took) >= w.want
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

// split tells the times of operations that overlap a window from the others'.
// It is called when no operation is under way.
func (t *timedTarget) split(windows []window) (during, rest []time.Duration) {
	for _, c := range t.conns {
		for _, op := range c.ops {
			overlaps := false
			for _, w := range windows {
				overlaps = overlaps || op.start.Before(w.end) && w.start.Before(op.end)
			}
			if overlaps {
				during = append(during, op.end.Sub(op.start))
			} else {
				rest = append(rest, op.end.Sub(op.start))
			}
		}
	}
	return during, rest
}
