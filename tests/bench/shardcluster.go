package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"raftkv/kv"
	"raftkv/kv/ask"
	"raftkv/shard"
)

// sharded makes a cluster of some nodes and groups, starts it, and waits until the
// nodes lead equally many groups.
func (l *lab) sharded(ctx context.Context, name string, nodes, groups int, flags ...string) (*raftkvCluster, error) {
	dir := filepath.Join(l.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	note("start %d nodes with %d groups", nodes, groups)
	s, err := newRaftkv(name, dir, l.binary, &l.ports, nodes, groups, flags)
	if err != nil {
		return nil, err
	}
	l.made = append(l.made, s)
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	return s, s.spread(ctx, groups)
}

// spread waits until all groups serve, all slots lie still, and no node leads two
// groups more than another.
func (r *raftkvCluster) spread(ctx context.Context, groups int) error {
	ctx, cancel := context.WithTimeout(ctx, servingTimeout)
	defer cancel()
	for {
		if err := r.alive(); err != nil {
			return err
		}
		uneven := r.uneven(ctx, groups)
		if uneven == nil {
			return nil
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return fmt.Errorf("%s: %w (%w)", r.label, uneven, err)
		}
	}
}

// uneven tells what is not yet as spread waits for.
func (r *raftkvCluster) uneven(ctx context.Context, groups int) error {
	list, err := r.cluster.Nodes()
	if err != nil {
		return err
	}
	for _, n := range list {
		if err := n.Ready(ctx); err != nil {
			return fmt.Errorf("%s is not ready: %w", n.ID, err)
		}
	}
	status, err := r.status(ctx)
	if err != nil {
		return err
	}
	m, err := r.shardMap(ctx)
	if err != nil {
		return err
	}
	leads, served, data := make(map[string]int), 0, 0
	for _, g := range status.Groups {
		if g.ID == shard.Controller {
			continue
		}
		data++
		leads[g.Leader]++
		for _, s := range g.Slots {
			served += s.Len()
		}
	}
	fair := groups / len(list)
	for _, n := range list {
		if leads[n.ID] < fair || leads[n.ID] > fair+1 {
			return fmt.Errorf("%s leads %d of %d groups", n.ID, leads[n.ID], groups)
		}
	}
	switch {
	case data != groups:
		return fmt.Errorf("there are %d groups, not %d", data, groups)
	case served != shard.Slots:
		return fmt.Errorf("%d slots are served", served)
	case len(m.Migrations) > 0:
		return fmt.Errorf("%d migrations are under way", len(m.Migrations))
	}
	return nil
}

func (r *raftkvCluster) status(ctx context.Context) (out kv.Status, err error) {
	return out, r.call(ctx, http.MethodGet, "/v1/status", nil, &out)
}

func (r *raftkvCluster) shardMap(ctx context.Context) (*shard.Map, error) {
	var m shard.Map
	return &m, r.call(ctx, http.MethodGet, "/v1/map", nil, &m)
}

func (r *raftkvCluster) balance(ctx context.Context, on bool) error {
	return r.call(ctx, http.MethodPut, "/v1/balance", map[string]bool{"on": on}, nil)
}

// move begins to move slots to a group.
func (r *raftkvCluster) move(ctx context.Context, slots []shard.Range, to uint32) error {
	order := map[string]any{"slots": slots, "to": to, "reason": "to measure it"}
	return r.call(ctx, http.MethodPost, "/v1/migrations", order, nil)
}

// moved waits until no slots are on their way.
func (r *raftkvCluster) moved(ctx context.Context) error {
	for {
		m, err := r.shardMap(ctx)
		if err != nil {
			return err
		}
		if len(m.Migrations) == 0 {
			return nil
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// call asks the first node over HTTP.
func (r *raftkvCluster) call(ctx context.Context, method, path string, body, into any) error {
	list, err := r.cluster.Nodes()
	if err != nil {
		return err
	}
	return ask.Question{Addr: list[0].HTTP, Method: method, Path: path, Body: body}.Into(ctx, into)
}
