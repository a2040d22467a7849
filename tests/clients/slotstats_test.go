package clients

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"raftkv/tests/cluster"
)

// slotStat is an entry of CLUSTER SLOT-STATS.
type slotStat struct {
	slot  int64
	stats map[string]int64
}

// slotStats reads the reply in both protocols: a list of pairs of a slot and a map,
// which is a list of names and values in RESP2.
func slotStats(t *testing.T, reply any, protocol int) (out []slotStat) {
	t.Helper()
	for _, entry := range reply.([]any) {
		pair := entry.([]any)
		s := slotStat{slot: pair[0].(int64), stats: make(map[string]int64)}
		switch stats := pair[1].(type) {
		case map[any]any:
			if protocol != 3 {
				t.Fatalf("a map in RESP2: %v", pair)
			}
			for k, v := range stats {
				s.stats[k.(string)] = v.(int64)
			}
		case []any:
			if protocol != 2 {
				t.Fatalf("a list in RESP3: %v", pair)
			}
			for i := 0; i < len(stats); i += 2 {
				s.stats[stats[i].(string)] = stats[i+1].(int64)
			}
		}
		out = append(out, s)
	}
	return out
}

// CLUSTER SLOT-STATS answers each node's own slots as Redis 8.2 does.
func TestSlotStats(t *testing.T) {
	c := cluster.Start(t, cluster.Options{Groups: 3})
	ctx, cancel := context.WithTimeout(t.Context(), cluster.Patience)
	defer cancel()
	all := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs(c), MaxRedirects: 20})
	defer all.Close()
	busy := all.ClusterKeySlot(ctx, "{busy}").Val()
	// An election between two questions moves slots from one answer to another, and
	// whoever leads anew counts from nothing: then all is tried again.
	cluster.Eventually(t, "answers that belong together", func() error {
		for i := range 10 {
			if err := all.Set(ctx, fmt.Sprint("{busy}", i), strings.Repeat("x", 1000), 0).Err(); err != nil {
				return err
			}
		}
		if err := all.Set(ctx, "{calm}", "x", 0).Err(); err != nil {
			return err
		}
		for range 3 {
			if err := all.Get(ctx, "{busy}1").Err(); err != nil {
				return err
			}
		}
		for _, protocol := range []int{2, 3} {
			if err := checkSlotStats(t, ctx, addrs(c), protocol, busy); err != nil {
				return fmt.Errorf("RESP%d: %w", protocol, err)
			}
		}
		return nil
	})
	one := redis.NewClient(&redis.Options{Addr: addrs(c)[0]})
	defer one.Close()
	for args, want := range map[string]string{
		"SLOTSRANGE 0 16384":                       "ERR Invalid or out of range slot",
		"SLOTSRANGE a 1":                           "ERR Invalid or out of range slot",
		"SLOTSRANGE 5 3":                           "ERR Start slot number 5 is greater than end slot number 3",
		"SLOTSRANGE 5":                             "ERR unknown subcommand or wrong number of arguments for 'SLOT-STATS'. Try CLUSTER HELP.",
		"":                                         "ERR wrong number of arguments for 'cluster|slot-stats' command",
		"ORDERBY weight":                           "ERR Unrecognized sort metric for ORDERBY.",
		"ORDERBY cpu-usec":                         "ERR Unrecognized sort metric for ORDERBY.", // it is not measured
		"ORDERBY key-count LIMIT 0":                "ERR Limit has to lie in between 1 and 16384 (maximum number of slots).",
		"ORDERBY key-count LIMIT x":                "ERR Limit has to lie in between 1 and 16384 (maximum number of slots).",
		"ORDERBY key-count LIMIT":                  "ERR syntax error",
		"ORDERBY key-count LIMIT 1 LIMIT 2":        "ERR Multiple filters of the same type are disallowed.",
		"ORDERBY key-count ASC DESC":               "ERR Multiple filters of the same type are disallowed.",
		"ORDERBY key-count ASC LIMIT 3 sideways 1": "ERR syntax error",
	} {
		words := []any{"CLUSTER", "SLOT-STATS"}
		for _, w := range strings.Fields(args) {
			words = append(words, w)
		}
		if _, err := one.Do(ctx, words...).Result(); err == nil || err.Error() != want {
			t.Errorf("%s: %v\nwant %s", args, err, want)
		}
	}
}

// checkSlotStats looks at what all nodes answer in a protocol, after the busy slot was
// given 10 keys of 1000 bytes and three reads of one.
func checkSlotStats(t *testing.T, ctx context.Context, addrs []string, protocol int, busy int64) error {
	served := make(map[int64]bool)
	for _, addr := range addrs {
		one := redis.NewClient(&redis.Options{Addr: addr, Protocol: protocol})
		defer one.Close()
		ask := func(args ...any) []slotStat {
			t.Helper()
			reply, err := one.Do(ctx, append([]any{"CLUSTER", "SLOT-STATS"}, args...)...).Result()
			if err != nil {
				t.Fatalf("%v: %v", args, err)
			}
			return slotStats(t, reply, protocol)
		}
		ranged := ask("SLOTSRANGE", 0, 16383)
		if !sort.SliceIsSorted(ranged, func(i, j int) bool { return ranged[i].slot < ranged[j].slot }) {
			return errors.New("the slots of a range are not in order")
		}
		for _, s := range ranged {
			if served[s.slot] {
				return fmt.Errorf("two nodes serve slot %d", s.slot)
			}
			served[s.slot] = true
			if s.slot == busy && (s.stats["key-count"] != 10 || s.stats["network-bytes-in"] < 10000 || s.stats["network-bytes-out"] < 3000 || s.stats["network-bytes-out"]%3000 != 0) {
				return fmt.Errorf("the busy slot has %v", s.stats)
			}
		}
		for _, metric := range []string{"key-count", "network-bytes-in", "NETWORK-BYTES-OUT"} {
			down, up := ask("ORDERBY", metric, "LIMIT", 100), ask("ORDERBY", metric, "asc", "limit", 100)
			two := ask("ORDERBY", metric, "DESC", "LIMIT", 2)
			name := strings.ToLower(metric)
			if len(down) != 100 || len(up) != 100 || len(two) != 2 || two[0].slot != down[0].slot || two[1].slot != down[1].slot {
				return fmt.Errorf("by %s: %d and %d slots; the first two %v", metric, len(down), len(up), two)
			}
			for i := 1; i < len(down); i++ {
				if a, b := down[i-1], down[i]; a.stats[name] < b.stats[name] || a.stats[name] == b.stats[name] && a.slot > b.slot {
					return fmt.Errorf("by %s: %v before %v", metric, a, b)
				}
				if a, b := up[i-1], up[i]; a.stats[name] > b.stats[name] || a.stats[name] == b.stats[name] && a.slot > b.slot {
					return fmt.Errorf("by %s ascending: %v before %v", metric, a, b)
				}
			}
		}
	}
	if len(served) != 16384 {
		return fmt.Errorf("all nodes serve %d slots", len(served))
	}
	return nil
}
