package clients

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"raftkv/tests/cluster"
)

// gets returns how many reads a node has served.
func gets(t *testing.T, c *cluster.Cluster, id string) (n int) {
	t.Helper()
	response, err := http.Get("http://" + c.At(id).HTTP + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), "} "); ok && strings.HasPrefix(name, `raftkv_commands_total{command="get"`) && strings.Contains(name, `outcome="ok"`) {
			fmt.Sscan(value, &n)
		}
	}
	return n
}

// With --advertise-replicas an unmodified client spreads the reads of one hot key
// over all replicas of its group, and each still sees what was acknowledged before it
// was asked.
func TestReadsSpreadOverReplicas(t *testing.T) {
	c := cluster.Start(t, cluster.Options{Groups: 3, Flags: []string{"--advertise-replicas"}})
	ctx, cancel := context.WithTimeout(t.Context(), cluster.Patience)
	defer cancel()
	spread := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs(c), ReadOnly: true, RouteRandomly: true, MaxRedirects: 20})
	defer spread.Close()
	// Every slot has three nodes once all replicas vote.
	cluster.Eventually(t, "replicas in CLUSTER SLOTS", func() error {
		slots, err := spread.ClusterSlots(ctx).Result()
		for _, s := range slots {
			if len(s.Nodes) != 3 {
				return fmt.Errorf("slots %d-%d are served by %v", s.Start, s.End, s.Nodes)
			}
		}
		return err
	})
	one := redis.NewClient(&redis.Options{Addr: addrs(c)[0]})
	defer one.Close()
	shards, err := one.ClusterShards(ctx).Result()
	if err != nil || len(shards) != 3 {
		t.Fatalf("%d shards, %v", len(shards), err)
	}
	for _, s := range shards {
		roles := make(map[string]int)
		for _, n := range s.Nodes {
			roles[n.Role]++
		}
		if roles["master"] != 1 || roles["replica"] != 2 || len(s.Slots) == 0 {
			t.Errorf("a shard has %v", roles)
		}
	}
	spread.ReloadState(ctx)
	before := make(map[string]int)
	for _, id := range c.IDs() {
		before[id] = gets(t, c, id)
	}
	const reads = 300
	for i := range reads {
		if err := spread.Set(ctx, "hot", i, 0).Err(); err != nil {
			t.Fatal(err)
		}
		if got, err := spread.Get(ctx, "hot").Int(); err != nil || got != i {
			t.Fatalf("after the %dth write a read sees %d, %v", i, got, err)
		}
	}
	for _, id := range c.IDs() {
		served := gets(t, c, id) - before[id]
		t.Logf("%s has served %d of %d reads", id, served, reads)
		if served < reads/10 {
			t.Errorf("%s has served %d of %d reads", id, served, reads)
		}
	}
}
