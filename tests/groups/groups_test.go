// Package groups runs clusters whose slots are shared by many groups: all clients
// must find all keys, whatever happens to the nodes.
package groups

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"raftkv/kv"
	"raftkv/shard"
	"raftkv/tests/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m) }

const keys = 300

func key(i int) string { return fmt.Sprint("key:", i) }

// leadersOf returns which node leads each group, once all slots are served by
// groups with a leader.
func leadersOf(c *cluster.Cluster) map[uint32]string {
	leaders := make(map[uint32]string)
	c.Eventually("all slots served", func() error {
		status, err := c.Status()
		if err != nil {
			return err
		}
		served := 0
		for _, g := range status.Groups {
			if g.Leader == "" {
				return fmt.Errorf("group %d has no leader", g.ID)
			}
			leaders[g.ID] = g.Leader
			for _, r := range g.Slots {
				served += r.Len()
			}
		}
		if served != shard.Slots {
			return fmt.Errorf("%d slots are served", served)
		}
		return nil
	})
	return leaders
}

// hops follows redirects for a key from a node, and returns how many there were.
func hops(addr, key string) (int, error) {
	for n := 0; n < 10; n++ {
		conn, err := cluster.Dial(addr)
		if err != nil {
			return n, err
		}
		reply, err := conn.Do("GET", key)
		conn.Close()
		switch {
		case err != nil:
			return n, err
		case reply.Kind != kv.Error:
			return n, nil
		case kv.ReplyError(reply.Str).Code() != "MOVED":
			return n, errors.New(string(reply.Str))
		}
		addr = strings.Fields(string(reply.Str))[2]
	}
	return 10, errors.New("redirects without end")
}

// checkRedirects sees that every key is found from every node in two hops.
func checkRedirects(t *testing.T, c *cluster.Cluster, nodes []string) {
	t.Helper()
	for _, id := range nodes {
		for i := range 40 {
			c.Eventually("the owner in two hops", func() error {
				n, err := hops(c.At(id).Redis, key(i))
				if err == nil && n > 2 {
					err = fmt.Errorf("%s from %s takes %d hops", key(i), id, n)
				}
				return err
			})
		}
	}
}

func write(t *testing.T, c *cluster.Cluster, value string) {
	t.Helper()
	client := c.Client()
	defer client.Close()
	for i := range keys {
		if _, err := client.Must("SET", key(i), value); err != nil {
			t.Fatal(err)
		}
	}
}

func check(t *testing.T, c *cluster.Cluster, value string) {
	t.Helper()
	client := c.Client()
	defer client.Close()
	for i := range keys {
		if reply, err := client.Must("GET", key(i)); err != nil || string(reply.Str) != value {
			t.Fatalf("%s is %q, want %q (%v)", key(i), reply.Str, value, err)
		}
	}
}

// goRedis returns a client that asks who leads soon after a leader's death: by
// itself it would believe for a minute what it knew.
func goRedis(t *testing.T, c *cluster.Cluster) *redis.ClusterClient {
	var addrs []string
	for _, id := range c.IDs() {
		addrs = append(addrs, c.At(id).Redis)
	}
	rdb := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs, DialerRetries: 1, ClusterStateReloadInterval: 500 * time.Millisecond})
	t.Cleanup(func() { rdb.Close() })
	return rdb
}

// Eight groups on five nodes: leaders are spread, the usual clients find all keys,
// a dead node's groups go on elsewhere, and a restart of all resumes everything.
func TestEightGroupsOnFiveNodes(t *testing.T) {
	c := cluster.Start(t, cluster.Options{Nodes: 5, Groups: 8})
	leaders, share := leadersOf(c), make(map[string]int)
	for group, node := range leaders {
		if group != shard.Controller {
			share[node]++
		}
	}
	for _, id := range c.IDs() {
		if share[id] < 1 || share[id] > 2 {
			t.Errorf("%s leads %d of 8 groups on 5 nodes", id, share[id])
		}
	}

	ctx, cancel := context.WithTimeout(context.Background(), 2*cluster.Patience)
	defer cancel()
	rdb := goRedis(t, c)
	for i := range keys {
		if err := rdb.Set(ctx, key(i), "go-redis", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	var size, scanned atomic.Int64
	err := rdb.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		n, err := node.DBSize(ctx).Result()
		size.Add(n)
		for it := node.Scan(ctx, 0, "key:*", 7).Iterator(); it.Next(ctx); {
			scanned.Add(1)
		}
		return err
	})
	if err != nil || size.Load() != keys || scanned.Load() != keys {
		t.Errorf("all masters have %d keys, and show %d, of %d: %v", size.Load(), scanned.Load(), keys, err)
	}
	for _, id := range c.IDs() {
		out, err := exec.CommandContext(ctx, "redis-cli", "--cluster", "check", c.At(id).Redis).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "[OK] All nodes agree about slots configuration.") ||
			!strings.Contains(string(out), "[OK] All 16384 slots covered.") {
			t.Errorf("redis-cli --cluster check %s: %v\n%s", id, err, out)
		}
	}
	checkRedirects(t, c, c.IDs())

	victim := leaders[1]
	if err := c.Kill(victim); err != nil {
		t.Fatal(err)
	}
	write(t, c, "after the death of "+victim)
	for i := range keys {
		// go-redis finds the new leaders by itself.
		c.Eventually("a write by go-redis", func() error { return rdb.Set(ctx, key(i), "go-redis again", 0).Err() })
	}
	var others []string
	for _, id := range c.IDs() {
		if id != victim {
			others = append(others, id)
		}
	}
	checkRedirects(t, c, others)
	c.StartAll()
	check(t, c, "go-redis again")

	c.KillAll()
	c.StartAll()
	leadersOf(c)
	check(t, c, "go-redis again")
	checkRedirects(t, c, c.IDs())

	err = rdb.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { return node.FlushAll(ctx).Err() })
	if err != nil {
		t.Fatal(err)
	}
	if err := rdb.Get(ctx, key(1)).Err(); !errors.Is(err, redis.Nil) {
		t.Errorf("a key after FLUSHALL on all masters: %v", err)
	}
}
