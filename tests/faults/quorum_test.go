package faults

import (
	"errors"
	"testing"

	"raftkv/kv"
	"raftkv/tests/cluster"
)

// With two nodes of three down, writes are refused definitely and nothing is
// read; with one of them back, all goes on.
func TestNoQuorum(t *testing.T) {
	c := cluster.Start(t, cluster.Options{})
	client := c.Client()
	defer client.Close()
	if _, err := client.Must("SET", "x", "1"); err != nil {
		t.Fatal(err)
	}
	leader := c.Leader()
	for _, id := range c.Followers() {
		if err := c.Kill(id); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := cluster.Dial(c.At(leader).Redis)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// The first writes may be on their way when leadership ends: those are
	// uncertain. Soon all are refused.
	c.Eventually("a definite refusal", func() error {
		reply, err := conn.Do("SET", "lost", "1")
		if err != nil {
			t.Fatal(err)
		}
		switch kv.ReplyError(reply.Str).Code() {
		case "CLUSTERDOWN":
			return nil
		case "UNCERTAIN":
			return errors.New(string(reply.Str))
		}
		t.Fatalf("a write without a quorum: %s", reply.Str)
		return nil
	})
	for range 50 {
		if reply, err := conn.Do("SET", "y", "1"); err != nil || kv.ReplyError(reply.Str).Code() != "CLUSTERDOWN" {
			t.Fatalf("a write without a quorum: %s, %v", reply.Str, err)
		}
		if reply, err := conn.Do("GET", "x"); err != nil || kv.ReplyError(reply.Str).Code() != "CLUSTERDOWN" {
			t.Fatalf("a read without a quorum: %s, %v", reply.Str, err)
		}
	}
	for _, id := range c.IDs() {
		if id != leader {
			c.Launch(id)
			break
		}
	}
	if reply, err := client.Must("GET", "y"); err != nil || reply.Kind != kv.Nil {
		t.Fatalf("a refused write took effect: %v, %v", reply, err)
	}
	if reply, err := client.Must("INCR", "x"); err != nil || reply.Int < 2 {
		t.Fatalf("after one came back: %v, %v", reply, err)
	}
}
