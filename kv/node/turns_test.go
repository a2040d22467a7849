package node

import (
	"errors"
	"fmt"
	"testing"

	"github.com/hashicorp/raft"

	"raftkv/kv/group"
	"raftkv/tests/cluster"
)

// A group's leader knows of a replica on another node that it writes a snapshot, and
// tells those that wait for their turn. A node that does not lead tells nothing.
func TestTurnsOverTheNetwork(t *testing.T) {
	c := newNodes(t)
	c.open(1, t.TempDir())
	c.open(2, t.TempDir())
	cluster.Eventually(t, "turns to write snapshots", func() error {
		leader, other := c.all["n1"], c.all["n2"]
		if g := other.group(1); g != nil && g.Serving() { // the planner may have moved it
			leader, other = other, leader
		}
		g := leader.group(1)
		if g == nil {
			return errors.New("nobody leads group 1")
		}
		at, ask := raft.ServerAddress(leader.config.Peer), other.askTurn(1)
		if turn, err := ask(t.Context(), at, "writer", group.TurnTaken); err != nil || turn != "writer" {
			return fmt.Errorf("one that writes is told %q, %v", turn, err)
		}
		if turn, err := g.ServeTurn(g.Replica(), group.TurnWanted); err != nil || turn != "writer" {
			return fmt.Errorf("one that waits is told %q, %v", turn, err)
		}
		if turn, err := ask(t.Context(), at, "another", group.TurnWanted); err != nil || turn != "writer" {
			return fmt.Errorf("another one that waits is told %q, %v", turn, err)
		}
		if turn, err := ask(t.Context(), raft.ServerAddress(other.config.Peer), "another", group.TurnWanted); err == nil {
			return fmt.Errorf("a node that does not lead tells %q", turn)
		}
		return nil
	})
	if _, err := c.all["n1"].serveTurn([]byte{0, 0, 0, 1, 1}); err == nil {
		t.Error("a question without a replica is answered")
	}
	if _, err := c.all["n1"].serveTurn([]byte{0, 0, 0, 99, 1, 'a'}); err == nil {
		t.Error("a question about a group that is not here is answered")
	}
}
