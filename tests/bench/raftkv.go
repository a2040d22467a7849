package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"raftkv/kv/launch"
	"raftkv/kv/loadgen"
)

// nodes is how many processes a system has, but for those of sharding.
const nodes = 3

// raftkvCluster is some raftkv processes, started as `raftkv up` does.
type raftkvCluster struct {
	label   string
	cluster *launch.Cluster
	ids     []string
	addrs   []string // Redis, by node
}

func newRaftkv(label, dir, binary string, p *ports, nodes, groups int, flags []string) (*raftkvCluster, error) {
	base, err := p.take(3 * nodes)
	if err != nil {
		return nil, err
	}
	c, err := launch.Open(dir, binary)
	if err != nil {
		return nil, err
	}
	err = c.Create(launch.Spec{Nodes: nodes, Groups: groups, RedisPort: base, HTTPPort: base + nodes, PeerPort: base + 2*nodes, Flags: flags})
	if err != nil {
		return nil, err
	}
	r := &raftkvCluster{label: label, cluster: c}
	list, err := c.Nodes()
	for _, n := range list {
		r.ids, r.addrs = append(r.ids, n.ID), append(r.addrs, n.Redis)
	}
	return r, err
}

func (r *raftkvCluster) name() string    { return r.label }
func (r *raftkvCluster) pipelines() bool { return true }

// start starts those nodes that do not run.
func (r *raftkvCluster) start(ctx context.Context) error {
	list, err := r.cluster.Nodes()
	if err != nil {
		return err
	}
	for i, n := range list {
		if n.State() != launch.Dead {
			continue
		}
		if err := r.startNode(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

func (r *raftkvCluster) startNode(_ context.Context, node int) error {
	_, err := r.cluster.Start(r.ids[node])
	return err
}

func (r *raftkvCluster) kill(which ...int) error {
	if len(which) == 0 {
		for i := range r.ids {
			which = append(which, i)
		}
	}
	errs := make([]error, len(which))
	var all sync.WaitGroup
	for at, i := range which {
		all.Go(func() {
			if n, err := r.cluster.Node(r.ids[i]); err != nil || n.State() == launch.Dead {
				return
			}
			errs[at] = r.cluster.Kill(r.ids[i])
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func (r *raftkvCluster) pids() []int {
	list, err := r.cluster.Nodes()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	var out []int
	for _, n := range list {
		out = append(out, n.PID)
	}
	return out
}

func (r *raftkvCluster) alive() error {
	list, err := r.cluster.Nodes()
	for _, n := range list {
		if n.State() == launch.Dead {
			return fmt.Errorf("%s of %s has ended: %s", n.ID, r.label, strings.TrimSpace(n.Complaint()))
		}
	}
	return err
}

func (r *raftkvCluster) target(context.Context, int) (target, error) {
	return redisTarget{loadgen.Redis(r.addrs, loadgen.RedisOptions{})}, nil
}

func (r *raftkvCluster) await(ctx context.Context, kind loadgen.Kind, but ...int) (int, error) {
	return awaitRedis(ctx, r.addrs, kind, but...)
}

// leader is the node that executes commands: the others send clients to it.
func (r *raftkvCluster) leader(ctx context.Context) (int, error) {
	return r.await(ctx, loadgen.Read)
}
