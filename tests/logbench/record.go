package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"raftkv/kv/launch"
)

// faults is how many nodes are killed or paused while the cluster is loaded.
const faults = 6

// record runs a cluster that logs all it can, under load and faults, into dir.
func (o *options) record(ctx context.Context, dir string) (err error) {
	note("run a cluster under load and faults")
	c, err := launch.Open(dir, o.raftkv)
	if err != nil {
		return err
	}
	err = c.Create(launch.Spec{Nodes: 3, Groups: 3, RedisPort: o.port, HTTPPort: o.port + 3, PeerPort: o.port + 6, Flags: []string{"--log-level=debug"}})
	if err != nil {
		return err
	}
	defer func() {
		_, stopErr := c.Stop(15 * time.Second)
		if err = errors.Join(err, stopErr); err != nil {
			// Half a run must not be taken for a whole one.
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	nodes, err := c.Nodes()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	var processes []*launch.Process
	for _, n := range nodes {
		p, err := c.Start(n.ID)
		if err != nil {
			return err
		}
		processes = append(processes, p)
	}
	if err := c.WaitReady(ctx, processes); err != nil {
		return err
	}
	addrs := fmt.Sprintf("%s,%s,%s", nodes[0].Redis, nodes[1].Redis, nodes[2].Redis)
	load := exec.CommandContext(ctx, o.raftkv, "bench", "--addr", addrs, "--clients", "16", "--keys", "1000", "--rate", "500", "--duration", "20s", "--quiet")
	if err := load.Start(); err != nil {
		return err
	}
	err = breakNodes(ctx, c, nodes)
	// The load may end with failures: it is there to be disturbed.
	_ = load.Wait()
	return err
}

func breakNodes(ctx context.Context, c *launch.Cluster, nodes []launch.Node) error {
	for i := range faults {
		id := nodes[i%len(nodes)].ID
		undo := func() error { return c.Resume(id) }
		err := c.Pause(id)
		if i%2 == 0 {
			err = errors.Join(c.Resume(id), c.Kill(id))
			undo = func() error {
				p, err := c.Start(id)
				if err != nil {
					return err
				}
				return c.WaitNode(ctx, p)
			}
		}
		if err != nil {
			return err
		}
		pause(ctx, 1500*time.Millisecond)
		if err := undo(); err != nil {
			return err
		}
		pause(ctx, time.Second)
	}
	return ctx.Err()
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
