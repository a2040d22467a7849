package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"raftkv/kv"
)

// Do executes one command and returns its reply, never one of kind kv.Error: those
// are returned as errors. If ctx has no deadline, DefaultTimeout applies. The
// package's comment tells what errors mean.
//
// All keys of a command must be in one slot. A command without keys is answered
// by one node for the slots that it leads; if it writes (FLUSHALL), it is not
// sent again once its outcome is in doubt. Commands that change a connection
// (MULTI, WATCH, SELECT and so on) are refused.
func (c *Client) Do(ctx context.Context, args ...string) (kv.Reply, error) {
	r, err := parse(args)
	if err != nil {
		return kv.Reply{}, err
	}
	ctx, cancel := c.bound(ctx, r.effect)
	defer cancel()
	if !r.bare {
		return c.run(ctx, r)
	}
	lane := c.lanes.take(r.slot)
	r.wire = c.lanes.wrap(lane, r.key, args)
	reply, err := c.run(ctx, r)
	if !errors.Is(err, ErrUncertain) {
		c.lanes.giveBack(lane)
	}
	return reply, err
}

// bound returns a context that also ends when the client is closed, and when it
// is time to give up.
func (c *Client) bound(ctx context.Context, e effect) (context.Context, func()) {
	var cancel context.CancelFunc
	if _, has := ctx.Deadline(); !has {
		ctx, cancel = context.WithTimeout(ctx, DefaultTimeout)
	} else if e == once {
		ctx, cancel = context.WithTimeout(ctx, maxRetrying)
	} else {
		ctx, cancel = context.WithCancel(ctx)
	}
	unwatch := context.AfterFunc(c.ctx, cancel)
	return ctx, func() { unwatch(); cancel() }
}

// run sends r until there is an answer, ctx ends, or sending it again would not
// be safe.
func (c *Client) run(ctx context.Context, r *request) (kv.Reply, error) {
	var p progress
	for try := 0; ; try++ {
		// The first redirect is followed at once. More of them mean that nodes do
		// not agree on who leads.
		if p.next == nil || try > 1 {
			pause(ctx, try)
		}
		if ctx.Err() != nil {
			return kv.Reply{}, c.ended(ctx, r, &p)
		}
		n := p.next
		if n == nil {
			n = c.choose(r, p.avoid, try)
		}
		p.next, p.avoid = nil, nil

		reply, sent, err := n.do(ctx, r)
		var final error
		switch {
		case err != nil:
			final = c.afterFailure(r, &p, sent, err)
		case reply.Kind == kv.Error:
			final = c.afterError(r, &p, n, kv.ReplyError(reply.Str))
		default:
			return reply, nil
		}
		if final != nil {
			return kv.Reply{}, final
		}
		if p.doubt && r.effect == writes {
			return kv.Reply{}, c.ended(ctx, r, &p)
		}
	}
}

// progress is what the attempts of a call have brought so far.
type progress struct {
	doubt bool  // one of them may have taken effect
	last  error // why the last one was not the end
	next  *node // where it was sent on to
	avoid *node // has just said that it knows no leader
}

// afterFailure notes that an attempt got no reply. It returns the error that ends
// the call, or nil if another attempt is to be made.
func (c *Client) afterFailure(r *request, p *progress, sent bool, err error) error {
	p.last = err
	p.doubt = p.doubt || sent && r.effect != reads
	if e, forGood := refusedDial(err); forGood && !p.doubt {
		return e
	}
	c.learn(nil)
	return nil
}

// afterError notes that n answered an attempt with e. It returns the error that
// ends the call, or nil if another attempt is to be made.
func (c *Client) afterError(r *request, p *progress, n *node, e kv.ReplyError) error {
	p.last = fmt.Errorf("%s: %w", n.addr, e)
	switch judge(e) {
	case moved:
		if slot, addr, ok := target(e, n.addr); ok {
			p.next = c.routes.node(addr)
			c.routes.setOwner(slot, p.next)
			c.learn(p.next)
		}
	case unready:
		if e.Code() != kv.ErrBusy.Code() {
			p.avoid = n
			c.routes.unsetOwner(r.slot, n)
			c.learn(nil)
		}
	case uncertain:
		p.doubt = p.doubt || r.effect != reads
	case outdated:
		if !r.bare {
			return e
		}
		// Only a second user of the client's id could have got here.
		return fmt.Errorf("%w: %s: %v", ErrUncertain, r.name, p.last)
	case refused:
		if !p.doubt {
			return e
		}
		// Not the end: an earlier attempt may have been executed.
	default:
		return e
	}
	return nil
}

// choose says which node gets the next attempt.
func (c *Client) choose(r *request, avoid *node, try int) *node {
	if c.followerReads && r.effect == reads && r.keyed && try == 0 {
		return c.routes.any(nil)
	}
	if n := c.routes.owner(r.slot); n != nil && n != avoid && !n.suspect() {
		return n
	}
	// Any node will say who leads.
	return c.routes.any(avoid)
}

// ended makes the error of a call that stops without an answer.
func (c *Client) ended(ctx context.Context, r *request, p *progress) error {
	why := ctx.Err()
	if c.ctx.Err() != nil {
		why = ErrClosed
	}
	switch {
	case p.doubt && why == nil:
		return fmt.Errorf("%w: %s is not sent again (%v)", ErrUncertain, r.name, p.last)
	case p.doubt:
		// p.last is not wrapped: the last attempt's CLUSTERDOWN would pass for a
		// definite error.
		return fmt.Errorf("%w: %s: %w (the last attempt: %v)", ErrUncertain, r.name, why, p.last)
	case p.last == nil:
		return fmt.Errorf("%s was not done: %w", r.name, why)
	}
	return fmt.Errorf("%s was not done: %w (the last attempt: %w)", r.name, why, p.last)
}

// Bounds of the pause between two attempts. An election takes some hundred ms.
const (
	minPause = 2 * time.Millisecond
	maxPause = 200 * time.Millisecond
)

// pause waits before the attempt number try, longer each time and by chance, so
// that clients do not come back all at once. It ends with ctx.
func pause(ctx context.Context, try int) {
	if try == 0 {
		return
	}
	longest := min(minPause<<min(try-1, 16), maxPause)
	timer := time.NewTimer(longest/2 + rand.N(longest/2))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
