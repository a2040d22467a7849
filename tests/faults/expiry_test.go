package faults

import (
	"fmt"
	"testing"
	"time"

	"raftkv/kv"
	"raftkv/tests/cluster"
)

// A key once seen expired never comes back, on any node, over failover: expiry
// is driven by the log.
func TestExpiredKeysStayExpired(t *testing.T) {
	c := cluster.Start(t, cluster.Options{})
	client := c.Client()
	defer client.Close()
	const keys = 50
	for i := range keys {
		if _, err := client.Must("SET", fmt.Sprintf("e:%d", i), "v", "PX", fmt.Sprint(200+40*i)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := client.Must("SET", "stays", "v"); err != nil {
		t.Fatal(err)
	}
	readers := make(map[string]*cluster.Conn)
	gone := make(map[string]bool)
	look := func() {
		for _, id := range c.IDs() {
			conn := readers[id]
			if conn == nil {
				var err error
				if conn, err = cluster.Dial(c.At(id).Redis); err != nil {
					continue // dead now
				}
				if _, err := conn.Do("READONLY"); err != nil {
					conn.Close()
					continue
				}
				readers[id] = conn
			}
			for i := range keys {
				key := fmt.Sprintf("e:%d", i)
				reply, err := conn.Do("GET", key)
				if err != nil {
					conn.Close()
					delete(readers, id)
					break
				}
				switch {
				case reply.Kind == kv.Nil:
					gone[key] = true
				case reply.Kind != kv.Error && gone[key]:
					t.Fatalf("%s came back on %s after it had been seen expired", key, id)
				}
			}
		}
	}
	start := time.Now()
	look()
	if err := c.Kill(c.Leader()); err != nil {
		t.Fatal(err)
	}
	cluster.Eventually(t, "all keys expired", func() error {
		look()
		if len(gone) < keys {
			return fmt.Errorf("%d of %d", len(gone), keys)
		}
		return nil
	})
	if waited := time.Since(start); waited < 1500*time.Millisecond {
		t.Errorf("all keys had expired after %v, before their time", waited)
	}
	c.StartAll()
	look()
	if reply, err := client.Must("GET", "stays"); err != nil || string(reply.Str) != "v" {
		t.Fatalf("a key without expiry: %v, %v", reply, err)
	}
	// Nobody has to read a key for it to go.
	c.Eventually("an empty key space but for one", func() error {
		reply, err := client.Must("DBSIZE")
		if err != nil || reply.Int != 1 {
			return fmt.Errorf("%d keys, %v", reply.Int, err)
		}
		return nil
	})
}
