package node

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"raftkv/kv/group"
	"raftkv/shard/controller"
	"raftkv/tests/cluster"
)

// A replica whose members have changed, and whose log does not reach back to that,
// has them from its snapshot when it starts. With those that it was founded with, it
// and a replica that was removed would make a quorum (RedisRaft's split brain).
func TestMembersComeFromTheSnapshot(t *testing.T) {
	c := newNodes(t)
	dirs := []string{t.TempDir(), t.TempDir(), t.TempDir()}
	n1 := c.open(1, dirs[0])
	c.open(2, dirs[1])
	n3 := c.open(3, dirs[2])
	c.voters("n1", "n2", "n3")
	removed := string(n3.group(1).Replica())
	if err := n3.Close(); err != nil {
		t.Fatal(err)
	}
	delete(c.all, "n3")
	c.change(n1, controller.ReplaceReplica(1, removed))
	c.open(3, dirs[2])
	c.voters("n1", "n2", "n3")
	var want []string
	for _, n := range c.all {
		cluster.Eventually(t, "the new members on "+n.ID(), func() error {
			g := n.group(1)
			if g == nil {
				return fmt.Errorf("it has no replica")
			}
			if want = memberIDs(g); len(want) != 3 || slices.Contains(want, removed) {
				return fmt.Errorf("they are %v", want)
			}
			return nil
		})
	}
	changed := n1.group(1).State().Applied()
	// A quiet group has nothing but the change itself to take a snapshot of.
	for _, n := range c.all {
		cluster.Eventually(t, "a snapshot of "+n.ID(), func() error { return n.group(1).Snapshot() })
	}
	value := strings.Repeat("x", 256<<10)
	for i := 0; reachBack(c, changed); i++ {
		c.do(n1, "SET", fmt.Sprint("large:", i%4), value)
		if i%16 == 15 {
			for _, n := range c.all {
				n.group(1).Snapshot() // reachBack tells what came of it
			}
		}
	}
	for _, n := range c.all {
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
	clear(c.all)

	n1 = c.start(1, dirs[0]) // alone, so that nobody tells it anything
	cluster.Eventually(t, "n1's replica", func() error {
		if n1.group(1) == nil {
			return fmt.Errorf("it is not open")
		}
		return nil
	})
	if got := memberIDs(n1.group(1)); !slices.Equal(got, want) {
		t.Errorf("its members are %v, and were %v", got, want)
	}
	c.open(2, dirs[1])
	c.open(3, dirs[2])
	if got := c.do(n1, "GET", "large:0"); got != value {
		t.Errorf("%d bytes are left of %d", len(got), len(value))
	}
}

// memberIDs returns the ids of a group's members, as its replica knows them.
func memberIDs(g *group.Group) (out []string) {
	for _, s := range g.Servers() {
		out = append(out, string(s.ID))
	}
	slices.Sort(out)
	return out
}

// reachBack tells whether the log of any replica of group 1 has the entry still.
func reachBack(c *nodes, index uint64) bool {
	for _, n := range c.all {
		if n.group(1).Status(n.ID()).First <= index {
			return true
		}
	}
	return false
}
