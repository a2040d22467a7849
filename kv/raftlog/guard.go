package raftlog

import (
	"fmt"
	"sync/atomic"
	"time"
)

// guard stands around every write. The first one that fails latches: a write
// that is tried again after a failed fsync may "succeed" although its data is
// lost (the kernel drops the dirty pages), so nothing is written any more. And
// it notices when a write hangs: raft would go on with its heartbeats, and no
// other replica would take over (hashicorp/raft issues 503 and 614).
type guard struct {
	opts   Options
	failed atomic.Pointer[error]
	// turn is had by whoever writes: one write at a time, raft's entries and votes. A
	// channel and not a mutex, because the simulation's clock stands still while
	// anybody waits for a mutex, and a disk takes time.
	turn  chan struct{}
	since atomic.Int64
	name  atomic.Pointer[string]
	stop  chan struct{}
	done  chan struct{}
}

func newGuard(opts Options) *guard {
	g := &guard{opts: opts, turn: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	if opts.HangTimeout <= 0 || opts.OnHang == nil {
		close(g.done)
		return g
	}
	go g.watch()
	return g
}

// write performs one durable write.
func (g *guard) write(name string, fn func() error) error {
	g.turn <- struct{}{}
	defer func() { <-g.turn }()
	if err := g.failure(); err != nil {
		return err
	}
	g.name.Store(&name)
	g.since.Store(time.Now().UnixNano())
	defer g.since.Store(0)
	var err error
	if g.opts.Faults != nil {
		err = g.opts.Faults.Before(name)
	}
	if err == nil {
		err = fn()
	}
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s in %s failed, and what it wrote cannot be trusted any more: %w", name, g.opts.Dir, err)
	if g.failed.CompareAndSwap(nil, &err) && g.opts.OnFailure != nil {
		g.opts.OnFailure(err)
	}
	return err
}

// failure returns the error that latched, or nil.
func (g *guard) failure() error {
	if p := g.failed.Load(); p != nil {
		return *p
	}
	return nil
}

// watch looks for a write that hangs. It reports once.
func (g *guard) watch() {
	defer close(g.done)
	alarm := g.opts.Pulse.Alarm()
	defer alarm.Stop()
	for {
		alarm.Set(g.opts.HangTimeout / 4)
		select {
		case <-alarm.C:
			since := g.since.Load()
			if since == 0 {
				continue
			}
			if waited := time.Since(time.Unix(0, since)); waited > g.opts.HangTimeout {
				g.opts.OnHang(*g.name.Load(), waited)
				return
			}
		case <-g.stop:
			return
		}
	}
}

func (g *guard) close() {
	select {
	case <-g.stop:
	default:
		close(g.stop)
	}
	<-g.done
}
