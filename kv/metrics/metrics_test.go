package metrics_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"raftkv/kv"
	"raftkv/kv/metrics"
	"raftkv/shard/heat"
)

// scrape returns every sample as "name{label=value,...}" -> value; histograms
// give their count.
func scrape(t *testing.T, m *metrics.Metrics) map[string]float64 {
	t.Helper()
	families, err := m.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]float64)
	for _, f := range families {
		for _, s := range f.Metric {
			var labels []string
			for _, l := range s.Label {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			id := fmt.Sprintf("%s{%s}", f.GetName(), strings.Join(labels, ","))
			switch f.GetType() {
			case dto.MetricType_HISTOGRAM:
				out[id] = float64(s.Histogram.GetSampleCount())
			case dto.MetricType_COUNTER:
				out[id] = s.Counter.GetValue()
			default:
				out[id] = s.Gauge.GetValue()
			}
		}
	}
	return out
}

func expect(t *testing.T, got map[string]float64, want map[string]float64) {
	t.Helper()
	for id, v := range want {
		if g, ok := got[id]; !ok || g != v {
			t.Errorf("%s = %v (present: %v), want %v", id, g, ok, v)
		}
	}
}

func TestPushedMetricsAreByGroup(t *testing.T) {
	m := metrics.New("n1", "v9")
	one, two := m.Group(1), m.Group(2)
	if m.Group(1) != one {
		t.Fatal("Group(1) is another one the second time")
	}
	one.Proposed(10, 1000, time.Millisecond)
	one.Applied(10, 1000, time.Microsecond)
	one.Applied(5, 500, time.Microsecond)
	two.ReadRound(time.Millisecond)
	two.LogStored(3, 300, time.Millisecond)
	two.LogSynced(time.Millisecond)
	two.Snapshot(1<<20, time.Second)
	two.Restored(time.Second)
	two.Replayed(time.Second)
	two.Leadership(4, true)
	two.Leadership(0, false)
	expect(t, scrape(t, m), map[string]float64{
		"raftkv_entry_commands{group=1,node=n1}":                       1,
		"raftkv_entry_bytes{group=1,node=n1}":                          1,
		"raftkv_commit_seconds{group=1,node=n1}":                       1,
		"raftkv_apply_seconds{group=1,node=n1}":                        2,
		"raftkv_apply_seconds{group=2,node=n1}":                        0,
		"raftkv_applied_commands_total{group=1,node=n1}":               15,
		"raftkv_applied_bytes_total{group=1,node=n1}":                  1500,
		"raftkv_read_index_seconds{group=2,node=n1}":                   1,
		"raftkv_log_store_seconds{group=2,node=n1}":                    1,
		"raftkv_log_fsync_seconds{group=2,node=n1}":                    1,
		"raftkv_log_entries_total{group=2,node=n1}":                    3,
		"raftkv_log_bytes_total{group=2,node=n1}":                      300,
		"raftkv_snapshot_seconds{group=2,node=n1}":                     1,
		"raftkv_snapshot_bytes{group=2,node=n1}":                       1 << 20,
		"raftkv_restore_seconds{group=2,node=n1}":                      1,
		"raftkv_replay_seconds{group=2,node=n1}":                       1,
		"raftkv_leadership_changes_total{group=2,node=n1,to=leader}":   1,
		"raftkv_leadership_changes_total{group=2,node=n1,to=follower}": 1,
	})
	m.Forget(2)
	for id := range scrape(t, m) {
		if strings.Contains(id, "group=2") {
			t.Errorf("%s is still there after Forget(2)", id)
		}
	}
	two.ReadRound(time.Millisecond) // a late caller does no harm
}

func TestPulledMetrics(t *testing.T) {
	m := metrics.New("n1", "v9")
	m.Watch(metrics.Sources{
		Groups: func() []metrics.GroupState {
			return []metrics.GroupState{{
				ID: 7, Serving: true,
				Status: kv.ReplicaStatus{
					Role: kv.RoleLeader, Term: 3, Applied: 10, Commit: 11, Last: 12, Keys: 5, Bytes: 500, LogBytes: 4096,
					Snapshot: kv.SnapshotStatus{Index: 9, AtMS: 1500},
				},
				Heat:     heat.SlotHeat{Reads: 20, Writes: 5, ReadBytes: 2000, WriteBytes: 500},
				Sessions: 2, Matches: map[string]uint64{"n2": 8},
				WaitingProposals: 4, WaitingBytes: 400,
			}, {
				ID: 8, Serving: true, Status: kv.ReplicaStatus{Role: kv.RoleLeader}, Heat: heat.SlotHeat{Reads: 1, WriteBytes: 1},
			}, {
				ID: 9, Status: kv.ReplicaStatus{Role: kv.RoleLearner}, Heat: heat.SlotHeat{Reads: 1000}, // when it led
			}}
		},
		Cluster: func() metrics.Cluster { return metrics.Cluster{Epoch: 41, Running: 3, Driven: 1} },
		Commands: func(emit func(string, string, uint64)) {
			emit("get", "ok", 3)
			emit("set", "uncertain", 1)
		},
		Reads: func() metrics.Distribution {
			return metrics.Distribution{Buckets: map[float64]uint64{0.001: 2}, Count: 3, Sum: 0.5}
		},
		Connections: func() metrics.Connections {
			return metrics.Connections{Open: 1, Accepted: 2, Rejected: 3, BytesIn: 4, BytesOut: 5, ProtocolErrors: 6, SlowReaders: 7}
		},
		Memory:          func() (int64, int64) { return 100, 200 },
		DiskFree:        func() int64 { return 300 },
		DroppedLogLines: func() uint64 { return 8 },
	})
	m.Decided("move-slots")
	m.Happened("finish-migration")
	m.Happened("finish-migration")
	got := scrape(t, m)
	if heat, there := got["raftkv_heat_ops_per_second{group=9,kind=read,node=n1}"]; there {
		t.Errorf("a group that is not led here serves %v", heat)
	}
	expect(t, got, map[string]float64{
		"raftkv_heat_ops_per_second{group=7,kind=read,node=n1}":        20,
		"raftkv_heat_ops_per_second{group=7,kind=write,node=n1}":       5,
		"raftkv_heat_bytes_per_second{group=7,kind=read,node=n1}":      2000,
		"raftkv_heat_bytes_per_second{group=7,kind=write,node=n1}":     500,
		"raftkv_node_heat_ops_per_second{kind=read,node=n1}":           21,
		"raftkv_node_heat_ops_per_second{kind=write,node=n1}":          5,
		"raftkv_node_heat_bytes_per_second{kind=read,node=n1}":         2000,
		"raftkv_node_heat_bytes_per_second{kind=write,node=n1}":        501,
		"raftkv_replicas{node=n1,role=leader}":                         2,
		"raftkv_replicas{node=n1,role=learner}":                        1,
		"raftkv_map_epoch{node=n1}":                                    41,
		"raftkv_migrations_running{node=n1}":                           3,
		"raftkv_migrations_driven{node=n1}":                            1,
		"raftkv_balancer_decisions_total{kind=move-slots,node=n1}":     1,
		"raftkv_events_total{kind=finish-migration,node=n1}":           2,
		"raftkv_raft_leader{group=7,node=n1}":                          1,
		"raftkv_raft_role{group=7,node=n1,role=leader}":                1,
		"raftkv_raft_term{group=7,node=n1}":                            3,
		"raftkv_raft_commit_index{group=7,node=n1}":                    11,
		"raftkv_raft_applied_index{group=7,node=n1}":                   10,
		"raftkv_raft_last_index{group=7,node=n1}":                      12,
		"raftkv_raft_peer_match_index{group=7,node=n1,peer=n2}":        8,
		"raftkv_snapshot_index{group=7,node=n1}":                       9,
		"raftkv_snapshot_timestamp_seconds{group=7,node=n1}":           1.5,
		"raftkv_keys{group=7,node=n1}":                                 5,
		"raftkv_state_bytes{group=7,node=n1}":                          500,
		"raftkv_sessions{group=7,node=n1}":                             2,
		"raftkv_log_disk_bytes{group=7,node=n1}":                       4096,
		"raftkv_proposer_waiting{group=7,node=n1}":                     4,
		"raftkv_proposer_waiting_bytes{group=7,node=n1}":               400,
		"raftkv_commands_total{command=get,node=n1,outcome=ok}":        3,
		"raftkv_commands_total{command=set,node=n1,outcome=uncertain}": 1,
		"raftkv_command_seconds{kind=read,node=n1}":                    3,
		"raftkv_clients_connected{node=n1}":                            1,
		"raftkv_clients_accepted_total{node=n1}":                       2,
		"raftkv_clients_rejected_total{node=n1}":                       3,
		"raftkv_network_in_bytes_total{node=n1}":                       4,
		"raftkv_network_out_bytes_total{node=n1}":                      5,
		"raftkv_protocol_errors_total{node=n1}":                        6,
		"raftkv_slow_readers_total{node=n1}":                           7,
		"raftkv_memory_state_bytes{node=n1}":                           100,
		"raftkv_memory_limit_bytes{node=n1}":                           200,
		"raftkv_disk_free_bytes{node=n1}":                              300,
		"raftkv_log_lines_dropped_total{node=n1}":                      8,
	})
}

// Two nodes in one process, as in tests, must not share anything.
func TestNodesInOneProcess(t *testing.T) {
	a, b := metrics.New("n1", "v"), metrics.New("n2", "v")
	a.Watch(metrics.Sources{})
	b.Watch(metrics.Sources{})
	a.Group(1).Restored(time.Second)
	if got := scrape(t, b)["raftkv_restore_seconds{group=1,node=n2}"]; got != 0 {
		t.Errorf("n2 sees n1's restore: %v", got)
	}
}

// A scrape beside observations and groups that come and go.
func TestConcurrentUse(t *testing.T) {
	m := metrics.New("n1", "v")
	var all sync.WaitGroup
	for i := range uint32(4) {
		all.Go(func() {
			for range 200 {
				m.Group(i).Proposed(1, 1, time.Millisecond)
				m.Forget(i)
			}
		})
	}
	for range 20 {
		if _, err := m.Gatherer().Gather(); err != nil {
			t.Error(err)
		}
	}
	all.Wait()
}

func BenchmarkProposed(b *testing.B) {
	g := metrics.New("n1", "v").Group(1)
	for b.Loop() {
		g.Proposed(10, 1000, time.Millisecond)
	}
}
