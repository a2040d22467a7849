package faults

import (
	"fmt"
	"strings"
	"testing"

	"raftkv/kv"
	"raftkv/tests/cluster"
)

// replica returns the status of a node's replica of group 1 as the node itself sees
// it.
func replica(c *cluster.Cluster, id string) (kv.ReplicaStatus, error) {
	s, err := cluster.StatusOf(c.At(id).HTTP)
	if err != nil {
		return kv.ReplicaStatus{}, err
	}
	g, err := cluster.GroupIn(s, 1)
	if err != nil {
		return kv.ReplicaStatus{}, err
	}
	for _, r := range g.Replicas {
		if r.Node == id {
			return r, nil
		}
	}
	return kv.ReplicaStatus{}, fmt.Errorf("%s has no replica", id)
}

// A follower that was down until the log it lacks was compacted away gets a
// snapshot, and then entries again.
func TestFollowerCatchesUpBySnapshot(t *testing.T) {
	for _, store := range stores {
		t.Run(store, func(t *testing.T) {
			c := cluster.Start(t, cluster.Options{Flags: []string{"--replay-budget=100ms", "--log-store=" + store}})
			client := c.Client()
			defer client.Close()
			if _, err := client.Must("SET", "first", "1"); err != nil {
				t.Fatal(err)
			}
			down := c.Followers()[0]
			before, err := replica(c, down)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Kill(down); err != nil {
				t.Fatal(err)
			}
			// More than the leader keeps behind a snapshot.
			value := strings.Repeat("x", 100<<10)
			for i := range 400 {
				if _, err := client.Must("SET", fmt.Sprintf("k:%d", i%100), value+fmt.Sprint(i)); err != nil {
					t.Fatal(err)
				}
			}
			leader := c.Leader(down)
			c.Eventually("a log that does not reach back", func() error {
				r, err := replica(c, leader)
				if err == nil && r.First <= before.Last+1 {
					client.Must("SET", "more", value)
					err = fmt.Errorf("the log begins at %d, the follower had %d", r.First, before.Last)
				}
				return err
			})
			c.StartAll()
			c.Eventually("a follower that has caught up", func() error {
				r, err := replica(c, down)
				if err != nil {
					return err
				}
				l, err := replica(c, leader)
				if err == nil && (r.Applied < l.Applied || r.Snapshot.Index == 0) {
					err = fmt.Errorf("applied %d of %d, snapshot at %d", r.Applied, l.Applied, r.Snapshot.Index)
				}
				return err
			})
			conn, err := cluster.Dial(c.At(down).Redis)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := conn.Do("READONLY"); err != nil {
				t.Fatal(err)
			}
			for key, want := range map[string]string{"first": "1", "k:99": value + "399", "k:0": value + "300"} {
				if reply, err := conn.Do("GET", key); err != nil || string(reply.Str) != want {
					t.Errorf("%s on the follower has %d bytes, %v", key, len(reply.Str), err)
				}
			}
			// It restarts from its snapshot, and serves as leader.
			c.KillAll()
			c.StartAll()
			if reply, err := client.Must("GET", "k:99"); err != nil || string(reply.Str) != value+"399" {
				t.Errorf("after a restart: %d bytes, %v", len(reply.Str), err)
			}
		})
	}
}
