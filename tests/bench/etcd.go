package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"raftkv/kv/loadgen"
)

// etcd is three members, each a process of this program (see member.go).
type etcd struct {
	dir       string
	program   string
	client    []string // URLs by member
	peer      []string
	processes [nodes]*process
}

func newEtcd(dir string, p *ports) (*etcd, error) {
	base, err := p.take(2 * nodes)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	e := &etcd{dir: dir, program: self}
	for i := range nodes {
		e.client = append(e.client, "http://"+localAddr(base+i))
		e.peer = append(e.peer, "http://"+localAddr(base+nodes+i))
	}
	return e, nil
}

func (e *etcd) name() string    { return etcdName }
func (e *etcd) pipelines() bool { return false }

func (e *etcd) start(ctx context.Context) error {
	for i := range nodes {
		if err := e.startNode(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

func (e *etcd) startNode(_ context.Context, node int) (err error) {
	var members []string
	for i, url := range e.peer {
		members = append(members, memberName(i)+"="+url)
	}
	e.processes[node], err = startProcess(filepath.Join(e.dir, memberName(node)+".log"), e.program, memberCommand,
		"-name", memberName(node), "-data", filepath.Join(e.dir, memberName(node)),
		"-client", e.client[node], "-peer", e.peer[node], "-cluster", strings.Join(members, ","))
	return err
}

func memberName(node int) string { return fmt.Sprintf("m%d", node+1) }

func (e *etcd) kill(which ...int) error {
	if len(which) == 0 {
		which = []int{0, 1, 2}
	}
	for _, i := range which {
		if e.processes[i] != nil {
			e.processes[i].cmd.Process.Kill() // all at once, then wait
		}
	}
	for _, i := range which {
		e.processes[i].kill()
	}
	return nil
}

func (e *etcd) pids() (out []int) {
	for _, p := range e.processes {
		out = append(out, p.pid())
	}
	return out
}

func (e *etcd) alive() error {
	for _, p := range e.processes {
		if err := p.alive(); err != nil {
			return err
		}
	}
	return nil
}

// etcdClient connects to one or more members. It logs nothing, and tries again
// soon when it cannot connect.
func etcdClient(endpoints ...string) (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{
		Endpoints:   endpoints,
		DialTimeout: 5 * time.Second,
		Logger:      zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 5 * time.Millisecond, Multiplier: 1, MaxDelay: 5 * time.Millisecond},
			MinConnectTimeout: time.Second,
		})},
	})
}

func (e *etcd) leader(ctx context.Context) (int, error) {
	for {
		for i, url := range e.client {
			if leads(ctx, url) {
				return i, nil
			}
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return 0, fmt.Errorf("etcd has no leader: %w", err)
		}
	}
}

func leads(ctx context.Context, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	c, err := etcdClient(url)
	if err != nil {
		return false
	}
	defer c.Close()
	status, err := c.Status(ctx, url)
	return err == nil && status.Leader == status.Header.MemberId
}

// await tries at all members at once.
func (e *etcd) await(ctx context.Context, kind loadgen.Kind, but ...int) (int, error) {
	return first(ctx, nodes, but, func(ctx context.Context, node int) error {
		c, err := etcdClient(e.client[node])
		if err != nil {
			return err
		}
		defer c.Close()
		return overlapping(ctx, func(ctx context.Context) (err error) {
			if kind == loadgen.Read {
				_, err = c.Get(ctx, probeKey)
			} else {
				_, err = c.Put(ctx, probeKey, "1")
			}
			return err
		})
	})
}

// overlapping sends a request, and another one every 50 ms, until the first is
// answered, whatever the answer: a member that has no leader holds requests back,
// also beyond the next election.
func overlapping(ctx context.Context, request func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	answers := make(chan error, 1)
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		all.Go(func() {
			err := request(ctx)
			select {
			case answers <- err:
			default: // there is an answer already
			}
		})
		select {
		case err := <-answers:
			return err
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
