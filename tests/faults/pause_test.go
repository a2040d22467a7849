package faults

import (
	"testing"

	"raftkv/kv"
	"raftkv/tests/cluster"
)

// A leader that was paused past an election must not answer a read that lies in
// its socket from what it knew before (the bug of etcd issue 20418).
func TestPausedLeaderAnswersNothingStale(t *testing.T) {
	c := cluster.Start(t, cluster.Options{})
	client := c.Client()
	defer client.Close()
	for round := range 3 {
		if _, err := client.Must("SET", "x", "old"); err != nil {
			t.Fatal(err)
		}
		old := c.Leader()
		var conns []*cluster.Conn
		for range 20 {
			conn, err := cluster.Dial(c.At(old).Redis)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if reply, err := conn.Do("GET", "x"); err != nil || string(reply.Str) != "old" {
				t.Fatalf("before the pause: %s, %v", reply.Str, err)
			}
			conns = append(conns, conn)
		}
		if err := c.Pause(old); err != nil {
			t.Fatal(err)
		}
		for _, conn := range conns {
			if err := conn.Send("GET", "x"); err != nil {
				t.Fatal(err)
			}
		}
		c.Leader(old)
		writer := c.Client()
		cluster.Eventually(t, "a write without the paused node", func() error {
			for _, id := range c.IDs() {
				if id == old {
					continue
				}
				conn, err := cluster.Dial(c.At(id).Redis)
				if err != nil {
					return err
				}
				reply, err := conn.Do("SET", "x", "new")
				conn.Close()
				if err == nil && reply.Kind != kv.Error {
					return nil
				}
			}
			return kv.ErrNoLeader
		})
		writer.Close()
		if err := c.Resume(old); err != nil {
			t.Fatal(err)
		}
		for _, conn := range conns {
			reply, err := conn.Receive()
			if err == nil && reply.Kind != kv.Error && string(reply.Str) != "new" {
				t.Fatalf("round %d: the paused leader answered %q after %q was acknowledged", round, reply.Str, "new")
			}
		}
	}
}
