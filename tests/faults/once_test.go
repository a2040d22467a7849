package faults

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"raftkv/kv"
	"raftkv/tests/cluster"
)

// RAFTKV.ONCE makes it safe to send a write again whose outcome is unknown:
// over kills of the leader and of all nodes, every increment counts once.
func TestOnceOverFailover(t *testing.T) {
	c := cluster.Start(t, cluster.Options{Flags: []string{"--replay-budget=50ms"}})
	const clients, each = 8, 60
	var all sync.WaitGroup
	var done, retried atomic.Int64
	for id := range clients {
		all.Go(func() {
			client := c.Client()
			defer client.Close()
			for seq := 1; seq <= each; seq++ {
				var reply kv.Reply
				cluster.Eventually(t, "an increment", func() error {
					var outcome cluster.Outcome
					reply, outcome = client.Do("RAFTKV.ONCE", "counter", fmt.Sprintf("client-%d", id), fmt.Sprint(seq), "INCR", "counter")
					if outcome == cluster.Unknown {
						retried.Add(1)
					}
					if outcome != cluster.Done {
						return kv.ReplyError(reply.Str)
					}
					return nil
				})
				if reply.Kind != kv.Int {
					t.Errorf("client %d, sequence %d: %s", id, seq, reply.Str)
				}
				done.Add(1)
			}
		})
	}
	for _, share := range []int64{1, 2, 3} {
		cluster.Eventually(t, "progress", func() error {
			if n := done.Load(); n < share*clients*each/4 {
				return fmt.Errorf("%d", n)
			}
			return nil
		})
		if share == 2 {
			c.KillAll()
		} else if err := c.Kill(c.Leader()); err != nil {
			t.Fatal(err)
		}
		c.StartAll()
	}
	all.Wait()
	client := c.Client()
	defer client.Close()
	reply, err := client.Must("GET", "counter")
	if err != nil || string(reply.Str) != fmt.Sprint(clients*each) {
		t.Fatalf("counter is %s after %d increments (%d sent again): %v", reply.Str, clients*each, retried.Load(), err)
	}
	// The same number again is answered as before; an older one is refused.
	last, _ := client.Must("RAFTKV.ONCE", "counter", "client-0", fmt.Sprint(each), "INCR", "counter")
	again, _ := client.Must("RAFTKV.ONCE", "counter", "client-0", fmt.Sprint(each), "INCR", "counter")
	if last.Kind != kv.Int || last.Int != again.Int {
		t.Errorf("the same sequence number is answered %v, then %v", last, again)
	}
	old, _ := client.Must("RAFTKV.ONCE", "counter", "client-0", "1", "INCR", "counter")
	if kv.ReplyError(old.Str).Code() != "SEQOUTDATED" {
		t.Errorf("an older sequence number: %s", old.Str)
	}
	if reply, err = client.Must("GET", "counter"); err != nil || string(reply.Str) != fmt.Sprint(clients*each) {
		t.Errorf("counter is %s after repeats, %v", reply.Str, err)
	}
}
