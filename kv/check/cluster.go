package check

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"raftkv/kv"
	"raftkv/kv/ask"
	"raftkv/shard"
)

// askTimeout bounds one question to a node, which may hang.
const askTimeout = 3 * time.Second

// cluster asks nodes over HTTP. Its methods may be called from any goroutine.
type cluster struct {
	http     []string // addresses
	password string
}

// ask sends a request to one node. A nil out throws the answer away.
func (c *cluster) ask(ctx context.Context, addr, method, path string, body, out any) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return ask.Question{Addr: addr, Method: method, Path: path, Password: c.password, Body: body}.Into(ctx, out)
}

// any asks one node after the other until one answers.
func (c *cluster) any(ctx context.Context, method, path string, body, out any) error {
	var errs []error
	for _, addr := range c.http {
		err := c.ask(ctx, addr, method, path, body, out)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

func (c *cluster) status(ctx context.Context) (s kv.Status, err error) {
	return s, c.any(ctx, http.MethodGet, "/v1/status", nil, &s)
}

func (c *cluster) shardMap(ctx context.Context) (*shard.Map, error) {
	m := new(shard.Map)
	return m, c.any(ctx, http.MethodGet, "/v1/map", nil, m)
}

// awaitReady waits until every node serves linearizable reads.
func (c *cluster) awaitReady(ctx context.Context) error {
	for _, addr := range c.http {
		for {
			err := c.ask(ctx, addr, http.MethodGet, "/readyz", nil, nil)
			if err == nil {
				break
			}
			sleep(ctx, 50*time.Millisecond)
			if ctx.Err() != nil {
				return fmt.Errorf("%s is not ready: %w", addr, err)
			}
		}
	}
	return nil
}
