package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"raftkv/kv/loadgen"
	"raftkv/shard"
)

// redisMasters is the least number for which redis-cli makes and reshards a cluster.
const redisMasters = 3

// redisCluster is three redis-servers without replicas, and without anything on disk:
// what favours Redis most. The first owns all slots.
type redisCluster struct {
	addrs     []string
	ids       []string
	processes []*process
}

// newRedisCluster starts the servers and waits until they agree that all slots are
// served.
func newRedisCluster(ctx context.Context, dir string, p *ports) (*redisCluster, error) {
	base, err := p.take(2 * redisMasters)
	if err != nil {
		return nil, err
	}
	r := &redisCluster{}
	for i := range redisMasters {
		home := filepath.Join(dir, fmt.Sprint(i+1))
		if err := os.MkdirAll(home, 0o755); err != nil {
			return r, err
		}
		started, err := startProcess(filepath.Join(home, "server.log"), "redis-server",
			"--bind", "127.0.0.1", "--port", fmt.Sprint(base+i), "--cluster-port", fmt.Sprint(base+redisMasters+i),
			"--dir", home, "--cluster-enabled", "yes", "--appendonly", "no", "--save", "")
		if err != nil {
			return r, err
		}
		r.processes, r.addrs = append(r.processes, started), append(r.addrs, localAddr(base+i))
	}
	for i, addr := range r.addrs {
		if err := r.await(ctx, func() error { return probe(ctx, addr, []string{"PING"}) }); err != nil {
			return r, err
		}
		id, err := redisCall(ctx, addr, "CLUSTER", "MYID")
		if err != nil {
			return r, err
		}
		r.ids = append(r.ids, string(id.Str))
		if i == 0 {
			_, err = redisCall(ctx, addr, "CLUSTER", "ADDSLOTSRANGE", "0", fmt.Sprint(shard.Slots-1))
		} else {
			_, err = redisCall(ctx, r.addrs[0], "CLUSTER", "MEET", "127.0.0.1", fmt.Sprint(base+i), fmt.Sprint(base+redisMasters+i))
		}
		if err != nil {
			return r, err
		}
	}
	return r, r.await(ctx, func() error {
		for _, addr := range r.addrs {
			info, err := redisCall(ctx, addr, "CLUSTER", "INFO")
			if err != nil {
				return err
			}
			if text := string(info.Str); !strings.Contains(text, "cluster_state:ok") || !strings.Contains(text, fmt.Sprint("cluster_known_nodes:", redisMasters)) {
				return fmt.Errorf("%s: the cluster is not up:\n%s", addr, text)
			}
		}
		return nil
	})
}

// await tries until try succeeds.
func (r *redisCluster) await(ctx context.Context, try func() error) error {
	ctx, cancel := context.WithTimeout(ctx, servingTimeout)
	defer cancel()
	for {
		for _, p := range r.processes {
			if err := p.alive(); err != nil {
				return err
			}
		}
		err := try()
		if err == nil {
			return nil
		}
		if late := sleep(ctx, 50*time.Millisecond); late != nil {
			return errors.Join(err, late)
		}
	}
}

// reshard moves slots from the first server to the second, as people do.
func (r *redisCluster) reshard(ctx context.Context, slots int) error {
	cli := exec.CommandContext(ctx, "redis-cli", "--cluster", "reshard", r.addrs[0], "--cluster-from", r.ids[0], "--cluster-to", r.ids[1],
		"--cluster-slots", fmt.Sprint(slots), "--cluster-yes")
	out, err := cli.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("redis-cli --cluster reshard: %w\n%s", err, out[max(0, len(out)-500):])
	}
	return err
}

// target fills the cluster.
func (r *redisCluster) target() target {
	return redisTarget{loadgen.Redis(r.addrs, loadgen.RedisOptions{})}
}

// slotsOf lists the slots of one server.
func (r *redisCluster) slotsOf(ctx context.Context, server int) (map[uint16]bool, error) {
	reply, err := redisCall(ctx, r.addrs[server], "CLUSTER", "SLOTS")
	if err != nil {
		return nil, err
	}
	out := make(map[uint16]bool)
	for _, e := range reply.Elems {
		if len(e.Elems) < 3 || len(e.Elems[2].Elems) < 3 || string(e.Elems[2].Elems[2].Str) != r.ids[server] {
			continue
		}
		for slot := e.Elems[0].Int; slot <= e.Elems[1].Int; slot++ {
			out[uint16(slot)] = true
		}
	}
	return out, nil
}

// kill ends the servers.
func (r *redisCluster) kill() {
	for _, p := range r.processes {
		p.kill()
	}
}
