package groups

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"raftkv/kv"
	"raftkv/shard"
	"raftkv/tests/cluster"
)

// answer returns what a node answers.
func answer(c *cluster.Cluster, id string, args ...string) (kv.Reply, error) {
	conn, err := cluster.Dial(c.At(id).Redis)
	if err != nil {
		return kv.Reply{}, err
	}
	defer conn.Close()
	return conn.Do(args...)
}

// keyIn returns a key in one of some slots.
func keyIn(slots []shard.Range) string {
	for i := 0; ; i++ {
		slot := shard.Slot([]byte(key(i)))
		if slices.ContainsFunc(slots, func(r shard.Range) bool { return r.Contains(slot) }) {
			return key(i)
		}
	}
}

// electors returns the nodes whose replica of a group votes, the leader first.
func electors(g kv.GroupStatus) []string {
	out := []string{g.Leader}
	for _, r := range g.Replicas {
		if r.Node != g.Leader && r.Role == kv.RoleFollower {
			out = append(out, r.Node)
		}
	}
	return out
}

// A group that has lost its leader and its quorum is said to be down by every node, the
// ones without a replica of it included: none sends clients to the dead leader. When the
// leader is back with a quorum, all nodes send them there again.
func TestLostGroupIsDown(t *testing.T) {
	c := cluster.Start(t, cluster.Options{Nodes: 5, Groups: 5})
	leadersOf(c)
	var group kv.GroupStatus
	c.Eventually("three voters of group 1, and five of group 0", func() error {
		status, err := c.Status()
		if err != nil {
			return err
		}
		if g, err := cluster.GroupIn(status, shard.Controller); err != nil || len(electors(g)) != 5 {
			return fmt.Errorf("group 0: %+v, %v", g, err)
		}
		group, err = cluster.GroupIn(status, 1)
		if err == nil && len(electors(group)) != 3 {
			err = fmt.Errorf("%+v", group)
		}
		return err
	})
	victims := electors(group)[:2]
	for _, id := range victims {
		if err := c.Kill(id); err != nil {
			t.Fatal(err)
		}
	}
	k := keyIn(group.Slots)
	for _, id := range c.IDs() {
		if slices.Contains(victims, id) {
			continue
		}
		c.Eventually(id+" saying that group 1 is down", func() error {
			reply, err := answer(c, id, "SET", k, "1")
			if err == nil && string(reply.Str) != string(kv.ErrNoLeader) {
				err = fmt.Errorf("it answers %q", reply.Str)
			}
			return err
		})
		c.Eventually(id+" counting its slots as failed", func() error {
			info, err := answer(c, id, "CLUSTER", "INFO")
			if text := string(info.Str); err == nil && (!strings.Contains(text, "cluster_state:fail") || strings.Contains(text, "cluster_slots_fail:0\r")) {
				err = fmt.Errorf("%q", text)
			}
			return err
		})
	}
	c.Launch(victims[0])
	for _, id := range c.IDs() {
		if id == victims[1] {
			continue
		}
		c.Eventually(id+" knowing the way again", func() error {
			_, err := hops(c.At(id).Redis, k)
			return err
		})
	}
}
