// Package clients drives a cluster with the Redis clients that people use,
// unmodified.
package clients

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"

	"raftkv/tests/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m) }

func addrs(c *cluster.Cluster) []string {
	var out []string
	for _, id := range c.IDs() {
		out = append(out, c.At(id).Redis)
	}
	return out
}

func port(addr string) string { return addr[strings.LastIndex(addr, ":")+1:] }

func TestGoRedis(t *testing.T) {
	c := cluster.Start(t, cluster.Options{})
	for _, protocol := range []int{2, 3} {
		t.Run(fmt.Sprintf("RESP%d", protocol), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), cluster.Patience)
			defer cancel()
			rdb := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs(c), Protocol: protocol, MaxRedirects: 20})
			defer rdb.Close()
			if err := rdb.FlushAll(ctx).Err(); err != nil {
				t.Fatal(err)
			}
			if err := rdb.Set(ctx, "a", "1", time.Minute).Err(); err != nil {
				t.Fatal(err)
			}
			if n, err := rdb.Incr(ctx, "a").Result(); err != nil || n != 2 {
				t.Fatalf("INCR: %d, %v", n, err)
			}
			if ttl, err := rdb.TTL(ctx, "a").Result(); err != nil || ttl < 50*time.Second {
				t.Fatalf("TTL: %v, %v", ttl, err)
			}
			if _, err := rdb.Get(ctx, "missing").Result(); !errors.Is(err, redis.Nil) {
				t.Fatalf("GET of a missing key: %v", err)
			}
			if err := rdb.MSet(ctx, "{t}1", "x", "{t}2", "y").Err(); err != nil {
				t.Fatal(err)
			}
			if vals, err := rdb.MGet(ctx, "{t}1", "{t}2", "{t}3").Result(); err != nil || fmt.Sprint(vals) != "[x y <nil>]" {
				t.Fatalf("MGET: %v, %v", vals, err)
			}
			if _, err := rdb.MGet(ctx, "p", "q").Result(); err == nil || !strings.HasPrefix(err.Error(), "CROSSSLOT") {
				t.Fatalf("keys of two slots: %v", err)
			}

			pipe := rdb.Pipeline()
			for i := range 500 {
				pipe.Set(ctx, fmt.Sprintf("p:%d", i), i, 0)
				pipe.Get(ctx, fmt.Sprintf("p:%d", i))
			}
			results, err := pipe.Exec(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 500 {
				if got := results[2*i+1].(*redis.StringCmd).Val(); got != fmt.Sprint(i) {
					t.Fatalf("p:%d is %q in the pipeline that set it", i, got)
				}
			}

			// WATCH: of two transactions that saw the same value, one succeeds.
			key := "{tx}counter"
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					for {
						err := rdb.Watch(ctx, func(tx *redis.Tx) error {
							n, err := tx.Get(ctx, key).Int()
							if err != nil && !errors.Is(err, redis.Nil) {
								return err
							}
							_, err = tx.TxPipelined(ctx, func(p redis.Pipeliner) error {
								p.Set(ctx, key, n+1, 0)
								p.Incr(ctx, "{tx}attempts")
								return nil
							})
							return err
						}, key)
						if err == nil {
							return
						}
						if !errors.Is(err, redis.TxFailedErr) {
							t.Errorf("transaction: %v", err)
							return
						}
					}
				})
			}
			wg.Wait()
			for _, k := range []string{key, "{tx}attempts"} {
				if n, err := rdb.Get(ctx, k).Int(); err != nil || n != 8 {
					t.Errorf("%s is %d after 8 transactions, %v", k, n, err)
				}
			}
			seen := make(map[string]bool)
			err = rdb.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
				iter := node.Scan(ctx, 0, "p:*", 50).Iterator()
				for iter.Next(ctx) {
					seen[iter.Val()] = true
				}
				return iter.Err()
			})
			if err != nil || len(seen) != 500 {
				t.Errorf("SCAN found %d of 500 keys, %v", len(seen), err)
			}
		})
	}
}

// A client that knows nothing of raft survives the loss of its leader. go-redis
// asks who leads when it is redirected, or when its picture of the cluster is
// older than this interval: a dead leader redirects nobody.
func TestGoRedisOverFailover(t *testing.T) {
	c := cluster.Start(t, cluster.Options{})
	ctx, cancel := context.WithTimeout(context.Background(), cluster.Patience)
	defer cancel()
	rdb := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs(c), DialerRetries: 1, ClusterStateReloadInterval: 500 * time.Millisecond})
	defer rdb.Close()
	for i := range 300 {
		if i == 100 {
			if err := c.Kill(c.Leader()); err != nil {
				t.Fatal(err)
			}
		}
		cluster.Eventually(t, "a write", func() error { return rdb.Set(ctx, fmt.Sprintf("f:%d", i), i, 0).Err() })
	}
	for i := range 300 {
		if n, err := rdb.Get(ctx, fmt.Sprintf("f:%d", i)).Int(); err != nil || n != i {
			t.Fatalf("f:%d: %d, %v", i, n, err)
		}
	}
}

func TestRueidis(t *testing.T) {
	c := cluster.Start(t, cluster.Options{})
	ctx, cancel := context.WithTimeout(context.Background(), cluster.Patience)
	defer cancel()
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: addrs(c), DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var wg sync.WaitGroup
	for id := range 20 {
		wg.Go(func() {
			for i := range 50 {
				key := fmt.Sprintf("r:%d:%d", id, i)
				if err := client.Do(ctx, client.B().Set().Key(key).Value(key).Build()).Error(); err != nil {
					t.Errorf("SET %s: %v", key, err)
					return
				}
				got, err := client.Do(ctx, client.B().Get().Key(key).Build()).ToString()
				if err != nil || got != key {
					t.Errorf("GET %s: %q, %v", key, got, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if n, err := client.Do(ctx, client.B().Incrby().Key("n").Increment(5).Build()).AsInt64(); err != nil || n != 5 {
		t.Errorf("INCRBY: %d, %v", n, err)
	}
	if err := client.Do(ctx, client.B().Get().Key("missing").Build()).Error(); !rueidis.IsRedisNil(err) {
		t.Errorf("GET of a missing key: %v", err)
	}
}

func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), cluster.Patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestRedisCli(t *testing.T) {
	c := cluster.Start(t, cluster.Options{})
	for _, id := range c.IDs() {
		p := port(c.At(id).Redis)
		for _, version := range []string{"-2", "-3"} {
			cli := func(args ...string) string {
				return strings.TrimSpace(tool(t, "redis-cli", append([]string{"-c", version, "-p", p}, args...)...))
			}
			if got := cli("set", "a", id); got != "OK" {
				t.Errorf("set on %s: %q", id, got)
			}
			if got := cli("get", "a"); got != id {
				t.Errorf("get on %s: %q", id, got)
			}
			if got := cli("lpush", "l", "1"); !strings.HasPrefix(got, "ERR unknown command 'lpush'") {
				t.Errorf("a command of lists: %q", got)
			}
		}
	}
	leader := port(c.At(c.Leader()).Redis)
	follower := port(c.At(c.Followers()[0]).Redis)
	if got := tool(t, "redis-cli", "-p", follower, "get", "a"); !regexp.MustCompile(`^MOVED \d+ 127\.0\.0\.1:` + leader).MatchString(got) {
		t.Errorf("a follower answers %q", got)
	}
	for i := range 20 {
		tool(t, "redis-cli", "-p", leader, "set", fmt.Sprint("big:", i), strings.Repeat("x", 10*i+1))
	}
	if got := tool(t, "redis-cli", "-p", leader, "--bigkeys"); !strings.Contains(got, `"big:19"`) {
		t.Errorf("--bigkeys: %s", got)
	}
	if got := tool(t, "redis-cli", "-p", leader, "--memkeys"); !strings.Contains(got, `"big:19"`) {
		t.Errorf("--memkeys: %s", got)
	}
	if got := tool(t, "redis-cli", "-p", leader, "--scan", "--pattern", "big:*"); strings.Count(got, "big:") != 20 {
		t.Errorf("--scan: %s", got)
	}
	if got := tool(t, "redis-cli", "--cluster", "check", "127.0.0.1:"+follower); !strings.Contains(got, "[OK] All 16384 slots covered") {
		t.Errorf("--cluster check: %s", got)
	}
	if got := tool(t, "redis-cli", "--cluster", "info", "127.0.0.1:"+leader); !strings.Contains(got, "21 keys") {
		t.Errorf("--cluster info: %s", got)
	}
	for section, want := range map[string]string{"server": "redis_version:", "keyspace": "db0:keys=21", "cluster": "cluster_enabled:1", "raftkv": "group1_role:leader"} {
		if got := tool(t, "redis-cli", "-p", leader, "info", section); !strings.Contains(got, want) {
			t.Errorf("info %s lacks %s: %s", section, want, got)
		}
	}
}

var perSecond = regexp.MustCompile(`([\d.]+) requests per second`)

func TestRedisBenchmark(t *testing.T) {
	c := cluster.Start(t, cluster.Options{})
	p := port(c.At(c.Leader()).Redis)
	for _, args := range [][]string{
		{"-t", "set,get,incr", "-n", "5000", "-c", "20", "-r", "1000"},
		{"-t", "set,get", "-n", "20000", "-c", "20", "-P", "16", "-d", "100"},
		{"-n", "2000", "-r", "100", "append", "key:__rand_int__", "x"},
	} {
		out := tool(t, "redis-benchmark", append([]string{"-p", p, "-q"}, args...)...)
		if strings.Contains(strings.ToLower(out), "error") || !perSecond.MatchString(out) {
			t.Errorf("redis-benchmark %v: %s", args, out)
		}
	}
}

func TestHTTP(t *testing.T) {
	c := cluster.Start(t, cluster.Options{})
	for i, id := range c.IDs() {
		base := "http://" + c.At(id).HTTP
		url := fmt.Sprintf("%s/v1/kv/h/%d", base, i)
		if got := tool(t, "curl", "-s", "-w", "%{http_code}", "-X", "PUT", "--data-binary", "hello", url); got != "204" {
			t.Errorf("PUT on %s: %s", id, got)
		}
		if got := tool(t, "curl", "-s", "-w", " %{http_code}", url); got != "hello 200" {
			t.Errorf("GET on %s: %s", id, got)
		}
		if got := tool(t, "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", "DELETE", url); got != "204" {
			t.Errorf("DELETE on %s: %s", id, got)
		}
		if got := tool(t, "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", url); got != "404" {
			t.Errorf("GET of a deleted key on %s: %s", id, got)
		}
		if got := tool(t, "curl", "-s", base+"/metrics"); !strings.Contains(got, "raftkv_") || !strings.Contains(got, `command="set"`) && id == c.Leader() {
			t.Errorf("metrics of %s: %d bytes", id, len(got))
		}
		for _, path := range []string{"/healthz", "/readyz"} {
			if got := tool(t, "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", base+path); got != "200" {
				t.Errorf("%s on %s: %s", path, id, got)
			}
		}
	}
}
