package main

import (
	"strings"
	"testing"
	"time"

	"raftkv/kv"
	"raftkv/shard"
)

func TestStatusTable(t *testing.T) {
	now := time.UnixMilli(1_700_000_060_000)
	s := kv.Status{
		Epoch: 3,
		Nodes: []kv.NodeStatus{
			{ID: "n1", State: kv.NodeUp, Redis: "127.0.0.1:7001", HTTP: "127.0.0.1:8001", Peer: "127.0.0.1:9001", PID: 4711, UptimeMS: 61_500, Memory: 30 << 20, Disk: 900},
			{ID: "n2", State: kv.NodeUnreachable, Redis: "127.0.0.1:7002", HTTP: "127.0.0.1:8002", Peer: "127.0.0.1:9002", Problem: "connection refused"},
		},
		Groups: []kv.GroupStatus{{
			ID: 1, Leader: "n1", Term: 7, Keys: 12, Slots: []shard.Range{{0, 16383}},
			Replicas: []kv.ReplicaStatus{
				{Node: "n1", Role: kv.RoleLeader, Applied: 100, Commit: 101, Last: 102, Bytes: 20 << 10, LogBytes: 5,
					Snapshot: kv.SnapshotStatus{Index: 90, Bytes: 77, AtMS: 1_700_000_000_000}},
				{Node: "n2", Role: kv.RoleUnknown, Match: 95},
			},
		}},
	}
	var out strings.Builder
	if err := printStatus(&out, s, now); err != nil {
		t.Fatal(err)
	}
	const want = `NODE  STATE        REDIS           HTTP            PEER            PID   UP    MEMORY  DISK
n1    up           127.0.0.1:7001  127.0.0.1:8001  127.0.0.1:9001  4711  1m1s  30 MiB  900 B
n2    unreachable  127.0.0.1:7002  127.0.0.1:8002  127.0.0.1:9002  -     -     -       -

group 1: leader n1, term 7, epoch 3, slots 0-16383, 12 keys
REPLICA  ROLE     APPLIED  COMMIT  LAST  MATCH  STATE   LOG  SNAPSHOT
n1       leader   100      101     102   -      20 KiB  5 B  at 90, 77 B, 1m0s ago
n2       unknown  -        -       -     95     -       -    -

n2: connection refused
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestStatusOfNothing(t *testing.T) {
	want(t, exitFailure, []string{"there is no cluster here", "raftkv up"}, "status", "--data", t.TempDir())
	want(t, exitFailure, []string{"no node answers", "--addr"}, "status", "--addr", "http://127.0.0.1:1/")
}
