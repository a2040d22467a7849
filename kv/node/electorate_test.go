package node

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/shard"
	"raftkv/shard/controller"
	"raftkv/shard/plan"
	"raftkv/tests/cluster"
)

// sixNodes opens a cluster of six with one group, and waits until five of them vote
// in group 0. It returns who does not.
func sixNodes(c *nodes) (spare string) {
	c.t.Helper()
	edit := c.edit
	c.edit = func(config *Config) {
		config.Groups = 1
		if edit != nil {
			edit(config)
		}
	}
	for i := range 6 {
		c.open(i+1, c.t.TempDir())
	}
	cluster.Eventually(c.t, "five voters of group 0", func() error {
		votes, spares := c.electors()
		if len(votes) != 5 || len(spares) != 1 || !c.sameElectors() {
			return fmt.Errorf("%v vote and %v do not", votes, spares)
		}
		spare = spares[0]
		return nil
	})
	return spare
}

// leader returns the node that leads group 0, or nil.
func (c *nodes) leader() *Node {
	for _, n := range c.all {
		if g := n.group(shard.Controller); g != nil && g.Serving() {
			return n
		}
	}
	return nil
}

// electors lists the nodes with a replica of group 0 that votes by the map, and those
// with one that does not.
func (c *nodes) electors() (votes, spares []string) {
	if n := c.leader(); n != nil {
		for _, r := range n.shardMap().Group(shard.Controller).Replicas {
			if r.Voter {
				votes = append(votes, r.Node)
			} else {
				spares = append(spares, r.Node)
			}
		}
	}
	return votes, spares
}

// sameElectors tells whether raft has the members of group 0 that the map has.
func (c *nodes) sameElectors() bool {
	n := c.leader()
	if n == nil {
		return false
	}
	g := n.group(shard.Controller)
	placed := n.shardMap().Group(shard.Controller)
	have := make(map[string]bool)
	for _, s := range g.Servers() {
		have[string(s.ID)] = s.Suffrage == raft.Voter
	}
	for _, r := range placed.Replicas {
		if vote, there := have[r.ID]; !there || vote != r.Voter {
			return false
		}
	}
	return len(have) == len(placed.Replicas)
}

// The seat of a voter of group 0 that has died goes to a node that had none, and then
// the dead one's vote goes: else each death would leave the controller closer to none.
func TestDeadVoterOfTheControllerIsReplaced(t *testing.T) {
	c := newNodes(t)
	c.edit = func(config *Config) { config.ReplaceAfter = 5 * time.Second }
	spare := sixNodes(c)
	var dead string
	cluster.Eventually(t, "a voter that does not lead", func() error {
		votes, _ := c.electors()
		for _, node := range votes {
			if !c.all[node].group(shard.Controller).Serving() {
				dead = node
				return nil
			}
		}
		return errors.New("nobody leads")
	})
	if err := c.all[dead].Close(); err != nil {
		t.Fatal(err)
	}
	delete(c.all, dead)
	c.replaced(dead, spare)
}

// replaced waits until node by votes in group 0 in place of another.
func (c *nodes) replaced(node, by string) {
	c.t.Helper()
	cluster.Eventually(c.t, by+" voting in place of "+node, func() error {
		votes, spares := c.electors()
		has := make(map[string]bool)
		for _, v := range votes {
			has[v] = true
		}
		if len(votes) != 5 || !has[by] || has[node] || !c.sameElectors() {
			return fmt.Errorf("%v vote and %v do not", votes, spares)
		}
		return nil
	})
}

// So does the seat of one that drains, though it lives.
func TestDrainingVoterOfTheControllerIsReplaced(t *testing.T) {
	c := newNodes(t)
	spare := sixNodes(c)
	drained := "n2"
	if spare == drained {
		drained = "n3"
	}
	c.change(c.all["n1"], controller.Drain(drained))
	c.replaced(drained, spare)
}

// A node that drains gives its vote away and then stays as it is: while it runs it
// follows the map, without a vote, and nothing more is done about it.
func TestDrainedNodeRests(t *testing.T) {
	c := newNodes(t)
	c.edit = func(config *Config) { config.Groups = 1 }
	for i := range 3 {
		c.open(i+1, t.TempDir())
	}
	c.voters("n1", "n2", "n3")
	c.open(4, t.TempDir())
	c.change(c.all["n1"], controller.Drain("n3"))
	c.voters("n1", "n2", "n4")
	cluster.Eventually(t, "three votes, and n3 a copy of the map", func() error {
		votes, spares := c.electors()
		if len(votes) != 3 || len(spares) != 1 || spares[0] != "n3" || !c.sameElectors() {
			return fmt.Errorf("%v vote and %v do not", votes, spares)
		}
		is, has := c.leader().shardMap(), c.all["n3"].shardMap()
		if is.Epoch != has.Epoch || c.all["n3"].group(shard.Controller).Leader() == "" {
			return fmt.Errorf("the map is of epoch %d, and n3's of %d", is.Epoch, has.Epoch)
		}
		return nil
	})
	c.plansNothing()
	c.change(c.all["n1"], controller.Undrain("n3"))
	cluster.Eventually(t, "n3 voting again", func() error {
		if votes, spares := c.electors(); len(votes) != 4 || !c.sameElectors() {
			return fmt.Errorf("%v vote and %v do not", votes, spares)
		}
		return nil
	})
}

// plansNothing waits until the planner has nothing more to do about group 0.
func (c *nodes) plansNothing() {
	c.t.Helper()
	cluster.Eventually(c.t, "a plan without actions on group 0", func() error {
		n := c.leader()
		if n == nil {
			return errors.New("nobody leads")
		}
		for _, a := range plan.Plan(n.planInput(n.group(shard.Controller))) {
			if a.Group == shard.Controller && a.Kind != plan.MoveSlots {
				return errors.New(a.String())
			}
		}
		return nil
	})
}
