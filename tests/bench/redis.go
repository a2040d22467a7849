package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"

	"raftkv/kv/loadgen"
)

// redis is one redis-server that syncs its append-only file before it answers.
type redis struct {
	dir, program string
	port         int
	process      *process
}

func newRedis(dir string, p *ports) (*redis, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, err
	}
	port, err := p.take(1)
	return &redis{dir: dir, program: program, port: port}, err
}

func (r *redis) name() string { return redisName }

func (r *redis) start(context.Context) (err error) {
	// No RDB snapshots by time, since the append-only file has it all; what else
	// the server does by itself, such as rewriting that file, it does.
	r.process, err = startProcess(filepath.Join(r.dir, "server.log"), r.program,
		"--bind", "127.0.0.1", "--port", fmt.Sprint(r.port), "--dir", r.dir,
		"--appendonly", "yes", "--appendfsync", "always", "--save", "")
	return err
}

func (r *redis) startNode(ctx context.Context, _ int) error { return r.start(ctx) }

func (r *redis) kill(...int) error {
	r.process.kill()
	return nil
}

func (r *redis) pids() []int                         { return []int{r.process.pid()} }
func (r *redis) alive() error                        { return r.process.alive() }
func (r *redis) pipelines() bool                     { return true }
func (r *redis) leader(context.Context) (int, error) { return 0, nil }

func (r *redis) target(context.Context, int) (target, error) {
	return redisTarget{loadgen.Redis([]string{localAddr(r.port)}, loadgen.RedisOptions{})}, nil
}

func (r *redis) await(ctx context.Context, kind loadgen.Kind, _ ...int) (int, error) {
	return awaitRedis(ctx, []string{localAddr(r.port)}, kind)
}

// redisTarget needs no closing.
type redisTarget struct{ *loadgen.RedisTarget }

func (redisTarget) Close() error { return nil }
