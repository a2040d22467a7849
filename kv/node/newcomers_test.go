package node

import (
	"errors"
	"slices"
	"testing"
	"time"

	"raftkv/shard"
	"raftkv/shard/controller"
	"raftkv/tests/cluster"
)

// A node that has just joined is not called silent for longer than it is known.
func TestNewcomerIsNotSilent(t *testing.T) {
	c := newNodes(t)
	n := c.open(1, t.TempDir())
	n.board.mu.Lock()
	n.board.since = time.Now().Add(-time.Hour) // its leader has led for long
	n.board.mu.Unlock()
	joined := time.Now()
	c.change(n, controller.PutNode(shard.Node{ID: "n2", Redis: c.addr(0, 2), HTTP: c.addr(1, 2), Peer: c.addr(2, 2), Incarnation: "x"}))
	cluster.Eventually(t, "n2 called silent, which never answers", func() error {
		now, _ := n.board.read()
		if !slices.Contains(now.Dead, "n2") {
			return errors.New("it is not")
		}
		return nil
	})
	if after := time.Since(joined); after < aliveFor {
		t.Errorf("it was called silent %v after it had joined", after)
	}
}

func TestNewcomers(t *testing.T) {
	var c newcomers
	with := func(ids ...string) *shard.Map {
		g := shard.Group{ID: shard.Controller}
		for _, id := range ids {
			g.Replicas = append(g.Replicas, shard.Replica{ID: id})
		}
		return &shard.Map{Groups: []shard.Group{g}}
	}
	first, second := time.Unix(1, 0), time.Unix(2, 0)
	if met := c.meet(new(shard.Map), first); len(met) != 0 {
		t.Errorf("in a map without groups: %v", met)
	}
	c.meet(with("n1.1", "n2.2"), first)
	if met := c.meet(with("n1.1", "n3.3"), second); len(met) != 2 || met["n1.1"] != first || met["n3.3"] != second {
		t.Errorf("known are %v", met)
	}
}
