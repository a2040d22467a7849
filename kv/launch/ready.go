package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// probeTimeout bounds one question to a node, which may be paused.
const probeTimeout = 2 * time.Second

// WaitReady waits until every node serves linearizable reads. It fails at once
// if one of the processes ends, with what that had to say.
func (c *Cluster) WaitReady(ctx context.Context, processes []*Process) error {
	nodes, err := c.Nodes()
	if err != nil {
		return err
	}
	return wait(ctx, nodes, processes, (*Node).Ready)
}

// WaitNode waits until a node that was started serves linearizable reads.
func (c *Cluster) WaitNode(ctx context.Context, p *Process) error {
	return wait(ctx, []Node{p.Node}, []*Process{p}, (*Node).Ready)
}

// WaitHealthy waits until a node that was started answers, though it may lack a
// quorum of others to serve.
func (c *Cluster) WaitHealthy(ctx context.Context, p *Process) error {
	return wait(ctx, []Node{p.Node}, []*Process{p}, (*Node).Healthy)
}

func wait(ctx context.Context, nodes []Node, processes []*Process, probe func(*Node, context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var watchers sync.WaitGroup
	defer watchers.Wait()
	defer cancel(nil)
	for _, p := range processes {
		watchers.Go(func() {
			select {
			case <-p.Done():
				cancel(fmt.Errorf("%s did not start (%s):\n%s", p.Node.ID, p.reason(), p.Node.Complaint()))
			case <-ctx.Done():
			}
		})
	}
	for _, n := range nodes {
		for {
			last := probe(&n, ctx)
			if last == nil {
				break
			}
			select {
			case <-time.After(poll):
				continue
			case <-ctx.Done():
			}
			if cause := context.Cause(ctx); !errors.Is(cause, context.DeadlineExceeded) {
				return cause
			}
			return fmt.Errorf("%s is not ready: %w; see %s", n.ID, last, filepath.Join(n.Dir, "log", "node.jsonl"))
		}
	}
	return nil
}

// Ready returns nil if the node serves linearizable reads now.
func (n *Node) Ready(ctx context.Context) error { return n.ask(ctx, "/readyz") }

// Healthy returns nil if the node's process answers and has not failed.
func (n *Node) Healthy(ctx context.Context) error { return n.ask(ctx, "/healthz") }

func (n *Node) ask(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.HTTP+path, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4<<10))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return errors.New(strings.TrimSpace(string(body)))
	}
	return nil
}
