package main

import (
	"bufio"
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"raftkv/kv"
	"raftkv/kv/loadgen"
	"raftkv/kv/resp"
)

const (
	// probePause is how long a node that refused is left alone: it bounds how
	// exact times to the first success are.
	probePause = 2 * time.Millisecond
	// probeTimeout is how long a node may take to answer a probe.
	probeTimeout = 5 * time.Second
	probeKey     = "bench-probe"
)

// awaitRedis tries to read or write a key at all servers at once until the first
// has done it, and returns which.
func awaitRedis(ctx context.Context, addrs []string, kind loadgen.Kind, but ...int) (int, error) {
	command := []string{"GET", probeKey}
	if kind == loadgen.Write {
		command = []string{"SET", probeKey, "1"}
	}
	return first(ctx, len(addrs), but, func(ctx context.Context, node int) error {
		return probe(ctx, addrs[node], command)
	})
}

// first calls try for all nodes at the same time, again and again, until it
// returns nil for the first, whose number it returns.
func first(ctx context.Context, nodes int, but []int, try func(ctx context.Context, node int) error) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	done := make(chan int, nodes)
	for node := range nodes {
		if slices.Contains(but, node) {
			continue
		}
		all.Go(func() {
			for ctx.Err() == nil {
				if try(ctx, node) == nil {
					done <- node
					return
				}
				sleep(ctx, probePause)
			}
		})
	}
	select {
	case node := <-done:
		return node, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// probe executes one command at one server.
func probe(ctx context.Context, addr string, command []string) error {
	_, err := redisCall(ctx, addr, command...)
	return err
}

// redisCall executes one command at one server and returns its reply, which is no
// error.
func redisCall(ctx context.Context, addr string, command ...string) (kv.Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return kv.Reply{}, err
	}
	defer nc.Close()
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	defer stop()
	if _, err := nc.Write(resp.AppendCommand(nil, command...)); err != nil {
		return kv.Reply{}, err
	}
	reply, err := resp.ReadReply(bufio.NewReader(nc))
	if err == nil && reply.Kind == kv.Error {
		err = errors.New(string(reply.Str))
	}
	return reply, err
}
