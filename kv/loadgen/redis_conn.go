package loadgen

import (
	"context"
	"sync"
	"time"

	"raftkv/shard"
)

// Following a slot that moves: how often one operation is sent again, and how
// long to wait before, from the second time on: nodes that do not agree yet on
// who leads send clients to and fro.
const (
	maxRedirects  = 8
	redirectPause = 2 * time.Millisecond
)

// redisConn is one client's connections, one to each server that it needs. A
// batch is split by server, sent to all and then read from all.
type redisConn struct {
	target *RedisTarget
	client int
	hub    *hub // serves the sockets; nil: this client does

	watched context.Context // whose end interrupts the sockets
	unwatch func() bool

	mu      sync.Mutex // sockets is also read when the context ends
	sockets []*socket

	moved []redirect
}

type redirect struct {
	op   int
	addr string
}

var _ Conn = (*redisConn)(nil)

// socket returns the connection to addr, opened if need be.
func (c *redisConn) socket(ctx context.Context, addr string) (*socket, error) {
	for _, s := range c.sockets {
		if s.addr == addr {
			return s, nil
		}
	}
	s, err := c.target.dialSocket(ctx, addr, c.hub)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.sockets = append(c.sockets, s)
	c.mu.Unlock()
	return s, nil
}

// watch makes reads and writes end when ctx does. It costs nothing as long as
// batches come with the same context.
func (c *redisConn) watch(ctx context.Context) {
	if c.watched == ctx {
		return
	}
	if c.unwatch != nil {
		c.unwatch()
	}
	for _, s := range c.sockets {
		s.deadline = time.Time{} // the last context may have changed it
	}
	c.watched = ctx
	c.unwatch = context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, s := range c.sockets {
			s.nc.SetDeadline(time.Unix(1, 0))
		}
	})
}

func (c *redisConn) Do(ctx context.Context, batch []Op) error {
	c.watch(ctx)
	used := c.target.routes.Load()
	if err := c.queue(ctx, used, batch); err != nil {
		return err
	}
	down, err := c.exchange(ctx, batch)
	for try := 0; err == nil && len(c.moved) > 0; try++ {
		if try == maxRedirects {
			for _, m := range c.moved {
				batch[m.op].Failure = "MOVED"
			}
			break
		}
		if try > 0 {
			pause(ctx, redirectPause)
		}
		hint := c.moved[0].addr
		if err = c.follow(ctx, batch); err != nil {
			break
		}
		down, err = c.exchange(ctx, batch)
		c.learn(ctx, used, hint)
	}
	if down && err == nil {
		c.learn(ctx, used, "")
	}
	return err
}

// learn asks who serves which slot, so that later operations go there at once;
// the server at hint knows best. No answer is no harm: MOVED leads them too.
func (c *redisConn) learn(ctx context.Context, outdated *routes, hint string) {
	_, _ = c.target.refresh(ctx, outdated, hint)
}

// queue gives every operation of the batch to the connection of its server.
func (c *redisConn) queue(ctx context.Context, r *routes, batch []Op) error {
	single := r.single()
	for i := range batch {
		op := &batch[i]
		op.Failure, op.Missed = "", false
		slot := uint16(0)
		if !single {
			slot = shard.Slot(op.Key)
		}
		s, err := c.socket(ctx, r.addr(slot, c.client))
		if err != nil {
			return err
		}
		s.queue(i, op)
	}
	return nil
}

// exchange sends what is queued and reads the replies. It tells whether an
// operation failed because its slot has no leader; those that were moved are in
// c.moved.
func (c *redisConn) exchange(ctx context.Context, batch []Op) (down bool, err error) {
	c.moved = c.moved[:0]
	now, used := time.Now(), 0
	for _, s := range c.sockets {
		if len(s.ops) > 0 {
			s.limit(now)
			used++
		}
	}
	for _, s := range c.sockets {
		if used == 1 || len(s.ops) == 0 {
			continue // a single one sends when it is read from
		}
		if err := s.send(); err != nil {
			return false, err
		}
	}
	// After the deadlines were set: either this sees that ctx has ended, or its
	// end comes later and overrides them.
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	for _, s := range c.sockets {
		for _, i := range s.ops {
			op := &batch[i]
			addr, err := s.receive(op)
			if err != nil {
				return false, err
			}
			if addr != "" {
				c.moved = append(c.moved, redirect{i, addr})
			}
			down = down || op.Failure == "CLUSTERDOWN"
		}
		s.ops = s.ops[:0]
	}
	return down, nil
}

// follow queues the operations that were moved for where they were sent to.
func (c *redisConn) follow(ctx context.Context, batch []Op) error {
	for _, m := range c.moved {
		s, err := c.socket(ctx, m.addr)
		if err != nil {
			return err
		}
		s.queue(m.op, &batch[m.op])
	}
	return nil
}

func (c *redisConn) Close() error {
	if c.unwatch != nil {
		c.unwatch()
	}
	for _, s := range c.sockets {
		s.close()
	}
	return nil
}
