package loadgen

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// dialers bounds how many connections are opened at a time.
const dialers = 64

// Run makes the load that c describes and returns what it measured. When ctx
// ends, it returns what it has until then, marked as interrupted. It fails if c
// makes no sense, if the target cannot be reached at the start, or if filling
// fails; errors during the run are counted, not returned.
func Run(ctx context.Context, c Config) (*Result, error) {
	if err := c.fill(); err != nil {
		return nil, err
	}
	if t, ok := c.Target.(interface{ together(int) (Target, func()) }); ok {
		target, end := t.together(c.Clients)
		defer end()
		c.Target = target
	}
	clients, err := connect(ctx, &c)
	defer func() {
		for _, cl := range clients {
			cl.close()
		}
	}()
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	if c.Fill {
		fill := &phase{name: "fill", config: &c, left: new(atomic.Int64)}
		fill.left.Store(c.Keys)
		if r := fill.run(ctx, clients); r.Failed() > 0 || r.Interrupted {
			return nil, fmt.Errorf("load: the keys could not be filled: %d failed (%v)", r.Failed(), r.Errors)
		}
	}
	if c.Warmup > 0 {
		warmup := &phase{name: "warmup", config: &c, duration: c.Warmup}
		warmup.run(ctx, clients)
	}
	run := &phase{name: "run", config: &c, duration: c.Duration}
	if c.Requests > 0 {
		run.left = new(atomic.Int64)
		run.left.Store(c.Requests)
	}
	if c.Begin != nil {
		c.Begin()
	}
	return run.run(ctx, clients), nil
}

// connect opens all connections, and returns those that it has even if it fails.
func connect(ctx context.Context, c *Config) ([]*client, error) {
	clients := make([]*client, c.Clients)
	values := randomValues(c)
	var skew *zipf
	if c.Zipf > 0 {
		skew = newZipf(c.Keys, c.Zipf)
	}
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(dialers)
	for i := range clients {
		clients[i] = &client{id: i, target: c.Target, choose: newChooser(c, skew, values, i)}
		all.Go(func() error { return clients[i].dial(ctx) })
	}
	return clients, all.Wait()
}

// phase is one part of a run.
type phase struct {
	name     string
	config   *Config
	duration time.Duration // 0: no limit
	left     *atomic.Int64 // operations; nil: no limit

	start   time.Time
	until   time.Time // zero: no limit
	record  *recorder
	backlog atomic.Int64
}

func (p *phase) run(ctx context.Context, clients []*client) *Result {
	p.record = newRecorder(len(clients))
	p.start = time.Now()
	if p.duration > 0 {
		p.until = p.start.Add(p.duration)
	}
	var all sync.WaitGroup
	for _, c := range clients {
		all.Go(func() {
			switch {
			case p.name == "fill":
				c.fill(ctx, p)
			case p.config.Rate > 0:
				c.openLoop(ctx, p)
			default:
				c.closedLoop(ctx, p)
			}
		})
	}
	done := make(chan struct{})
	go func() {
		all.Wait()
		close(done)
	}()
	p.watch(done)
	r := newResult(&p.record.total, time.Since(p.start))
	r.Interrupted = ctx.Err() != nil
	r.Unsent = p.backlog.Load()
	return r
}

// watch reports progress until done, and collects.
func (p *phase) watch(done <-chan struct{}) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	interval := newMeasurements()
	last := p.start
	for {
		select {
		case <-done:
			p.record.collect(&interval)
			return
		case now := <-ticker.C:
			p.record.collect(&interval)
			if p.config.Progress == nil {
				continue
			}
			s := summarize(interval.all(), now.Sub(last))
			last = now
			p.config.Progress(Progress{
				Phase: p.name, Elapsed: now.Sub(p.start),
				Ops: s.Count, Rate: s.Rate, P50: s.P50, P99: s.P99, Max: s.Max,
				Errors: p.record.total.failed(),
			})
		}
	}
}

// take hands out up to n of the operations that are left.
func (p *phase) take(n int) int {
	if p.left == nil {
		return n
	}
	left := p.left.Add(-int64(n))
	return int(max(0, min(int64(n), left+int64(n))))
}

func (p *phase) over(now time.Time) bool { return !p.until.IsZero() && !now.Before(p.until) }
