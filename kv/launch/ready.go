package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// CheckPorts fails if anything listens on an address that a node needs which
// does not run, and names all of them.
func (c *Cluster) CheckPorts() error {
	nodes, err := c.Nodes()
	if err != nil {
		return err
	}
	var taken []string
	for _, n := range nodes {
		if n.State() != Dead {
			continue
		}
		for _, a := range []struct{ name, addr string }{{"redis", n.Redis}, {"http", n.HTTP}, {"peer", n.Peer}} {
			l, err := net.Listen("tcp", a.addr)
			if err != nil {
				taken = append(taken, fmt.Sprintf("%s (%s of %s)", a.addr, a.name, n.ID))
				continue
			}
			l.Close()
		}
	}
	if len(taken) > 0 {
		return fmt.Errorf("in use already: %s; nothing was started. Stop what uses them, or take others with --redis-port, --http-port and --peer-port", strings.Join(taken, ", "))
	}
	return nil
}

// WaitReady waits until every node serves linearizable reads. It fails at once
// if one of the processes ends, with what that had to say.
func (c *Cluster) WaitReady(ctx context.Context, processes []*Process) error {
	nodes, err := c.Nodes()
	if err != nil {
		return err
	}
	return wait(ctx, nodes, processes)
}

func wait(ctx context.Context, nodes []Node, processes []*Process) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for _, p := range processes {
		go func() {
			select {
			case <-p.Done():
				cancel(fmt.Errorf("%s did not start (%v):\n%s", p.Node.ID, p.Err(), p.Node.Complaint()))
			case <-ctx.Done():
			}
		}()
	}
	for _, n := range nodes {
		var last error
		for {
			if last = n.Ready(ctx); last == nil {
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
			return fmt.Errorf("%s is not ready: %w; see %s", n.ID, last, n.Dir+"/log/node.jsonl")
		}
	}
	return nil
}

// WaitNode waits until a node that was started serves linearizable reads.
func (c *Cluster) WaitNode(ctx context.Context, p *Process) error {
	return wait(ctx, []Node{p.Node}, []*Process{p})
}

// Ready returns nil if the node serves linearizable reads now.
func (n *Node) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.HTTP+"/readyz", nil)
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
