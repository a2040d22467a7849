package loadgen

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// RedisOptions say how to talk to Redis servers.
type RedisOptions struct {
	Password string      // for AUTH; empty: none
	TLS      *tls.Config // nil: plain TCP
}

// RedisTarget is a Redis server or cluster. Its clients share what they learn
// about who serves which slot.
type RedisTarget struct {
	seeds []string
	opts  RedisOptions

	routes atomic.Pointer[routes] // nil until the first Dial

	mu        sync.Mutex // one refresh at a time
	refreshed time.Time
}

var _ Target = (*RedisTarget)(nil)

// refreshPause is the least time between two questions for the slots: while a
// cluster elects a leader, a thousand clients would ask all the time.
const refreshPause = 20 * time.Millisecond

// Redis returns the target for the servers at addrs (host:port). Of a cluster,
// any of its nodes will do: the others are found by CLUSTER SLOTS and MOVED. The
// clients of servers that are no cluster are spread over addrs.
func Redis(addrs []string, opts RedisOptions) *RedisTarget {
	return &RedisTarget{seeds: addrs, opts: opts}
}

// Dial connects a client to every node that serves slots.
func (t *RedisTarget) Dial(ctx context.Context, client int) (Conn, error) {
	return t.dial(ctx, client, nil)
}

func (t *RedisTarget) dial(ctx context.Context, client int, h *hub) (Conn, error) {
	known := t.routes.Load()
	if known != nil {
		if c, err := t.connect(ctx, known, client, h); err == nil {
			return c, nil
		}
	}
	fresh, err := t.refresh(ctx, known, "")
	if err != nil {
		return nil, err
	}
	return t.connect(ctx, fresh, client, h)
}

func (t *RedisTarget) connect(ctx context.Context, r *routes, client int, h *hub) (Conn, error) {
	c := &redisConn{target: t, client: client, hub: h}
	addrs := r.addrs
	if r.owner == nil {
		addrs = []string{r.addr(0, client)}
	}
	for _, addr := range addrs {
		if _, err := c.socket(ctx, addr); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

// refresh asks the servers who serves which slot and returns the answer. Only
// one client does so: those that saw the same outdated routes take its answer.
// The server at hint, if given, is asked first.
func (t *RedisTarget) refresh(ctx context.Context, outdated *routes, hint string) (*routes, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := t.routes.Load(); r != outdated {
		return r, nil
	}
	if outdated != nil && time.Since(t.refreshed) < refreshPause {
		return outdated, nil
	}
	defer func() { t.refreshed = time.Now() }()
	var addrs []string
	if hint != "" {
		addrs = append(addrs, hint)
	}
	addrs = append(addrs, t.seeds...)
	if outdated != nil {
		addrs = append(addrs, outdated.addrs...)
	}
	errs := []error{errors.New("no server tells who serves the slots")}
	for i, addr := range addrs {
		if slices.Contains(addrs[:i], addr) {
			continue
		}
		r, err := t.ask(ctx, addr)
		if err == nil {
			t.routes.Store(r)
			return r, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", addr, err))
	}
	return nil, errors.Join(errs...)
}
