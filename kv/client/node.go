package client

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"raftkv/kv"
)

// suspicion is how long a node that failed is passed over where another can do.
const suspicion = time.Second

// node is one server with its pool of connections.
type node struct {
	addr    string
	opts    *Options
	permits chan struct{} // one is held for each connection in use
	failed  atomic.Int64  // when it last failed, Unix ns; 0: it works as far as is known

	mu      sync.Mutex
	idle    []*conn // the last one used at the end
	retired bool    // nothing is kept: the node left the cluster, or the client is closed
}

func newNode(addr string, opts *Options) *node {
	return &node{addr: addr, opts: opts, permits: make(chan struct{}, opts.PoolSize)}
}

// do sends r once and returns the reply. On an error, sent tells whether the node
// may have got it all the same.
func (n *node) do(ctx context.Context, r *request) (reply kv.Reply, sent bool, err error) {
	patience := ctx
	if r.keyed {
		var cancel context.CancelFunc
		patience, cancel = context.WithTimeout(ctx, n.opts.AttemptTimeout)
		defer cancel()
	}
	// A connection that has been idle may be dead without our knowing. What
	// cannot be sent again gets a new one.
	c, err := n.get(patience, r.effect == writes)
	if err != nil {
		if ctx.Err() == nil {
			n.fail()
		}
		return kv.Reply{}, false, err
	}
	reply, sent, err = c.roundTrip(patience, r.wire)
	stale := err != nil && c.used && patience.Err() == nil
	n.put(c)
	switch {
	case err == nil:
		if n.failed.Load() != 0 {
			n.failed.Store(0)
		}
		return reply, true, nil
	case ctx.Err() != nil: // the caller has left: that says nothing about the node
	case stale: // the node was perhaps restarted: a new connection will tell
		n.dropIdle()
	default:
		n.fail()
	}
	return kv.Reply{}, sent, fmt.Errorf("%s: %w", n.addr, err)
}

// suspect tells whether the node failed a moment ago.
func (n *node) suspect() bool {
	at := n.failed.Load()
	return at != 0 && time.Since(time.Unix(0, at)) < suspicion
}

// fail notes that the node does not answer; its other connections are as dead.
func (n *node) fail() {
	n.failed.Store(time.Now().UnixNano())
	n.dropIdle()
}

// get returns a connection, a new one if fresh is set. It must be put back.
func (n *node) get(ctx context.Context, fresh bool) (*conn, error) {
	select {
	case n.permits <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: all %d connections were in use (Options.PoolSize): %w", n.addr, n.opts.PoolSize, ctx.Err())
	}
	if c := n.pop(); c != nil {
		if !fresh {
			return c, nil
		}
		c.close()
	}
	c, err := dial(ctx, n.addr, n.opts)
	if err != nil {
		<-n.permits
		return nil, err
	}
	return c, nil
}

func (n *node) pop() *conn {
	n.mu.Lock()
	defer n.mu.Unlock()
	last := len(n.idle) - 1
	if last < 0 {
		return nil
	}
	c := n.idle[last]
	n.idle[last] = nil
	n.idle = n.idle[:last]
	return c
}

func (n *node) put(c *conn) {
	c.used = true
	n.mu.Lock()
	keep := !c.broken && !n.retired
	if keep {
		n.idle = append(n.idle, c)
	}
	n.mu.Unlock()
	if !keep {
		c.close()
	}
	<-n.permits
}

func (n *node) dropIdle() {
	n.mu.Lock()
	idle := n.idle
	n.idle = nil
	n.mu.Unlock()
	for _, c := range idle {
		c.close()
	}
}

// retire closes the connections that are not in use now, and others when they
// are put back.
func (n *node) retire() {
	n.mu.Lock()
	n.retired = true
	n.mu.Unlock()
	n.dropIdle()
}
