package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"raftkv/kv/launch"
)

// target is a cluster that several cells use, one after the other: each cell heals it and
// sees that it serves, and has keys of its own.
type target struct {
	*launch.Cluster
	groups      int
	redis, http []string
	consoles    []string // files of what the nodes say beside their logs
}

const (
	nodes        = 3
	startTimeout = 3 * time.Minute
	stopGrace    = 15 * time.Second
)

// start starts a cluster.
func (m *matrix) start(ctx context.Context, groups int) error {
	m.started++
	l, err := launch.Open(filepath.Join(m.dir, fmt.Sprintf("data-%d", m.started)), m.binary)
	if err != nil {
		return err
	}
	port, err := freePorts(m.port, 3*nodes)
	if err != nil {
		return err
	}
	flags := []string{"--enable-faults"}
	if m.unsafe != "" {
		flags = append(flags, "--unsafe="+m.unsafe)
	}
	if err := l.Create(launch.Spec{Nodes: nodes, Groups: groups, RedisPort: port, HTTPPort: port + nodes, PeerPort: port + 2*nodes, Flags: flags}); err != nil {
		return err
	}
	m.cluster = &target{Cluster: l, groups: groups}
	all, err := l.Nodes()
	if err != nil {
		return err
	}
	var processes []*launch.Process
	for _, n := range all {
		p, err := l.Start(n.ID)
		if err != nil {
			return err
		}
		processes = append(processes, p)
		m.cluster.redis, m.cluster.http = append(m.cluster.redis, n.Redis), append(m.cluster.http, n.HTTP)
		m.cluster.consoles = append(m.cluster.consoles, filepath.Join(n.Dir, "console.log"))
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return l.WaitReady(ctx, processes)
}

// stop stops the cluster, if there is one, and deletes its data if nobody will want
// to see it.
func (m *matrix) stop(clean bool) error {
	c := m.cluster
	if c == nil {
		return nil
	}
	m.cluster = nil
	if _, err := c.Stop(stopGrace); err != nil {
		m.note("%v", err) // it was killed then
	}
	if !clean {
		return nil
	}
	return os.RemoveAll(c.Dir())
}

// crashes tells of a node that has panicked: it is started again like one that was
// killed, and would not be missed.
func (c *target) crashes() string {
	for _, path := range c.consoles {
		b, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err.Error()
		}
		for _, mark := range []string{"panic: ", "fatal error: ", "DATA RACE"} {
			if at := bytes.Index(b, []byte(mark)); at >= 0 {
				line, _, _ := bytes.Cut(b[at:], []byte("\n"))
				return fmt.Sprintf("a node crashed: %s, see %s", line, path)
			}
		}
	}
	return ""
}

// freePorts returns the first of n consecutive ports that nothing listens on.
func freePorts(from, n int) (int, error) {
	free := 0
	for port := from; port < min(from+1000, 1<<16); port++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			free = 0
			continue
		}
		l.Close()
		if free++; free == n {
			return port - n + 1, nil
		}
	}
	return 0, fmt.Errorf("there are no %d free ports from %d on: name others with PORT=", n, from)
}
