package main

import (
	"context"
	"fmt"
	"time"

	"raftkv/kv"
	"raftkv/shard"
)

// pollInterval is how often a command that waits looks at the cluster.
const pollInterval = 200 * time.Millisecond

// view is what the cluster shall be and what it is, as one node sees it.
type view struct {
	m      *shard.Map
	status kv.Status
}

func (a *admin) shardMap(ctx context.Context) (*shard.Map, error) {
	m := new(shard.Map)
	_, err := a.fetch(ctx, "/v1/map", m)
	return m, err
}

func (a *admin) look(ctx context.Context) (v view, err error) {
	if v.m, err = a.shardMap(ctx); err != nil {
		return v, err
	}
	_, err = a.fetch(ctx, "/v1/status", &v.status)
	return v, err
}

// leader returns the node that leads a group, or "".
func (v view) leader(group uint32) string {
	for _, g := range v.status.Groups {
		if g.ID == group {
			return g.Leader
		}
	}
	return ""
}

// answers tells whether a node answered the one that was asked.
func (v view) answers(node string) bool {
	for _, n := range v.status.Nodes {
		if n.ID == node {
			return n.State == kv.NodeUp
		}
	}
	return false
}

// slotCount is the number of slots in ranges.
func slotCount(ranges []shard.Range) (n int) {
	for _, r := range ranges {
		n += r.Len()
	}
	return n
}

// await calls done each time that it might have become true, until it is, or for
// as long as limit.
func await(ctx context.Context, limit time.Duration, what string, done func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("waited %v for %s", limit, what))
	defer cancel()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	var last error
	for {
		ok, err := done(ctx)
		if ok {
			return err
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			if last != nil {
				return fmt.Errorf("%w: %w", context.Cause(ctx), last)
			}
			return context.Cause(ctx)
		}
	}
}
