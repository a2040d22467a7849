package loadgen

import (
	"context"
	"errors"
	"os"
	"time"
)

// Pauses of a client whose operations fail: the generator must not spin, nor
// count a million errors a second.
const (
	failurePause = 10 * time.Millisecond
	dialPause    = 50 * time.Millisecond
	// fillPipeline and fillTries are for writing all keys before a run.
	fillPipeline = 32
	fillTries    = 200
)

// Codes of failures that no server reported.
const (
	FailedConnection = "connection"
	FailedTimeout    = "timeout"
)

// client is one connection with its goroutine's memory.
type client struct {
	id     int
	target Target
	choose *chooser
	conn   Conn // nil: broken

	ops    []Op
	starts []time.Time
}

func (c *client) dial(ctx context.Context) error {
	conn, err := c.target.Dial(ctx, c.id)
	if err != nil {
		return err
	}
	c.conn = conn
	return nil
}

// redial tries until there is a connection or the phase is over.
func (c *client) redial(ctx context.Context, p *phase) {
	for ctx.Err() == nil && !p.over(time.Now()) {
		if c.dial(ctx) == nil {
			return
		}
		pause(ctx, dialPause)
	}
}

func (c *client) close() {
	if c != nil && c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// room makes space for n operations.
func (c *client) room(n int) {
	for len(c.ops) < n {
		c.ops = append(c.ops, Op{})
		c.starts = append(c.starts, time.Time{})
	}
}

// execute does the first n operations. It returns when they ended and how many
// succeeded; false if ctx ended meanwhile, and nothing is recorded then.
func (c *client) execute(ctx context.Context, p *phase, n int) (end time.Time, succeeded int, ok bool) {
	ops := c.ops[:n]
	err := c.conn.Do(ctx, ops)
	end = time.Now()
	if ctx.Err() != nil {
		return end, 0, false
	}
	if err != nil {
		code := FailedConnection
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
			code = FailedTimeout
		}
		for i := range ops {
			if ops[i].Failure == "" {
				ops[i].Failure = code
			}
		}
	}
	succeeded = p.record.batch(c.id, ops, c.starts[:n], end)
	if observe := p.config.Observe; observe != nil {
		for i := range ops {
			observe(c.id, &ops[i], c.starts[i], end)
		}
	}
	if err != nil {
		c.close()
		c.redial(ctx, p)
		return time.Now(), succeeded, c.conn != nil
	}
	if succeeded == 0 {
		pause(ctx, failurePause)
		end = time.Now()
	}
	return end, succeeded, true
}

// closedLoop sends the next batch when the last is answered.
func (c *client) closedLoop(ctx context.Context, p *phase) {
	c.room(p.config.Pipeline)
	now := time.Now()
	for ok := c.ready(ctx, p); ok && !p.over(now); {
		n := p.take(p.config.Pipeline)
		if n == 0 {
			return
		}
		for i := range n {
			c.choose.next(&c.ops[i])
			c.starts[i] = now
		}
		now, _, ok = c.execute(ctx, p, n)
	}
}

// openLoop sends operations when they are due.
func (c *client) openLoop(ctx context.Context, p *phase) {
	c.room(p.config.Pipeline)
	period := time.Duration(float64(p.config.Clients) / p.config.Rate * float64(time.Second))
	due := p.start.Add(period * time.Duration(c.id) / time.Duration(p.config.Clients))
	free := p.start // since when the connection has nothing to wait for
	for ok := c.ready(ctx, p); ok; {
		now := time.Now()
		if due.After(now) {
			next := due
			if !p.until.IsZero() && p.until.Before(due) {
				next = p.until
			}
			pause(ctx, next.Sub(now))
			now = time.Now()
		}
		if p.over(now) || ctx.Err() != nil {
			break
		}
		n := 1
		for ; n < p.config.Pipeline && !due.Add(period*time.Duration(n)).After(now); n++ {
		}
		if n = p.take(n); n == 0 {
			return
		}
		for i := range n {
			c.choose.next(&c.ops[i])
			// An operation that fell due while the connection was busy counts from
			// then. If it was idle, timers alone made it late: that is ours.
			c.starts[i] = now
			if due.Before(free) {
				c.starts[i] = due
			}
			due = due.Add(period)
		}
		free, _, ok = c.execute(ctx, p, n)
	}
	if late := time.Since(due); late > 0 && p.left == nil {
		p.backlog.Add(int64(late/period) + 1)
	}
}

// fill writes keys until none is left. Each must be there afterwards, so what
// fails is tried again.
func (c *client) fill(ctx context.Context, p *phase) {
	c.room(fillPipeline)
	var keys []int64
	for ctx.Err() == nil {
		end := p.left.Add(-fillPipeline) + fillPipeline
		if end <= 0 {
			return
		}
		keys = keys[:0]
		for k := max(end-fillPipeline, 0); k < end; k++ {
			keys = append(keys, k)
		}
		c.fillKeys(ctx, p, keys)
	}
}

// fillKeys writes the keys; it forgets them as they are written.
func (c *client) fillKeys(ctx context.Context, p *phase, keys []int64) {
	for try := 1; len(keys) > 0 && c.ready(ctx, p); try++ {
		ops, start := c.ops[:len(keys)], time.Now()
		for i, k := range keys {
			c.choose.set(&ops[i], k)
			c.starts[i] = start
		}
		if err := c.conn.Do(ctx, ops); err != nil {
			c.close()
			if try < fillTries {
				pause(ctx, failurePause)
				continue
			}
			for i := range ops {
				ops[i].Failure = FailedConnection
			}
		}
		done, again := 0, keys[:0]
		for i := range ops {
			if ops[i].Failure != "" && try < fillTries {
				again = append(again, keys[i])
				continue
			}
			ops[done], ops[i] = ops[i], ops[done]
			done++
		}
		p.record.batch(c.id, ops[:done], c.starts, time.Now())
		if keys = again; len(keys) > 0 {
			pause(ctx, failurePause)
		}
	}
}

// ready tells whether there is a connection, which an earlier phase may have
// lost.
func (c *client) ready(ctx context.Context, p *phase) bool {
	if c.conn == nil {
		c.redial(ctx, p)
	}
	return c.conn != nil && ctx.Err() == nil
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
