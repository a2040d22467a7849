package node

import (
	"fmt"
	"testing"

	"raftkv/tests/cluster"
)

// A founder that ends between making its folder and raft's first entry founds the group
// when it starts again: nobody else would.
func TestFoundingGoesOnAfterACrash(t *testing.T) {
	c := newNodes(t)
	n1 := c.open(1, t.TempDir())
	id := string(n1.group(1).Replica())
	c.stop(n1)

	// The same cluster begins anew and crashes there.
	dir := t.TempDir()
	if err := writeReplica(fmt.Sprint(dir, "/groups/1"), replicaFile{Replica: id}); err != nil {
		t.Fatal(err)
	}
	n1 = c.start(1, dir)
	cluster.Eventually(t, "group 1", func() error {
		if g := n1.shardMap().Group(1); g == nil || !g.Founded {
			return fmt.Errorf("the map has it as %+v", g)
		}
		return nil
	})
	if got := string(n1.group(1).Replica()); got != id {
		t.Errorf("the folder was %s's, and %s was founded", id, got)
	}
	c.do(n1, "SET", "a", "1")
}
