package node

import (
	"errors"
	"testing"
	"time"

	"raftkv/kv"
	"raftkv/kv/pulse"
	"raftkv/shard"
	"raftkv/tests/cluster"
)

// A leader that has only begun to count says nothing of its load, and then what the
// last one said stands, though the new one is known to lead.
func TestNewLeaderIsNotIdle(t *testing.T) {
	c := newNodes(t)
	n := c.open(1, t.TempDir())
	c.do(n, "SET", "a", "1")
	g := n.group(1)
	b := newBoard(pulse.Portable(), func(uint64, kv.Event) {})
	b.begin(7, new(bulletin))
	load := func(r report) (ops float64) {
		b.enter(r)
		b.measure(r)
		loads, _ := b.load(n.shardMap())
		for _, l := range loads {
			ops += l.Ops()
		}
		return ops
	}
	// It has led for ten seconds, in which it served two hundred writes.
	g.Heat().Reset(time.Now().Add(-10 * time.Second))
	for range 200 {
		g.Heat().Write(shard.Slot([]byte("a")), 10)
	}
	said := n.report(new(loadGauge))
	if _, known := said.Load[1]; !known {
		t.Fatal("it says nothing of what it serves")
	}
	if ops := load(said); ops < 1 {
		t.Fatalf("it says that it serves %v operations a second", ops)
	}
	// Whoever follows it begins to count now: time that has not passed yet is not counted.
	g.Heat().Reset(time.Now().Add(time.Hour))
	now := n.report(new(loadGauge))
	now.Leads[1]++
	if _, known := now.Load[1]; known {
		t.Error("it has counted for no time, and says what it serves")
	}
	if ops := load(now); ops < 1 {
		t.Errorf("with a new leader the group counts as idle: %v operations a second", ops)
	}
	if after, _ := b.read(); after.Leaders[1].Term != now.Leads[1] {
		t.Errorf("the new leader is not known: %+v", after.Leaders)
	}
	g.Heat().Reset(time.Now().Add(-2 * time.Second))
	cluster.Eventually(t, "word of the new leader", func() error {
		if now = n.report(new(loadGauge)); now.Load[1] == nil {
			return errors.New("it says nothing")
		}
		return nil
	})
}
