package groups

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"raftkv/kv"
	"raftkv/tests/cluster"
)

// replicasOf returns the replica id of each group's replica on a node, as the
// node's own status shows them. All must vote.
func replicasOf(c *cluster.Cluster, node string) (map[uint32]string, error) {
	status, err := cluster.StatusOf(c.At(node).HTTP)
	if err != nil {
		return nil, err
	}
	out := make(map[uint32]string)
	for _, g := range status.Groups {
		for _, r := range g.Replicas {
			if r.Node != node {
				continue
			}
			if r.Role != kv.RoleLeader && r.Role != kv.RoleFollower {
				return nil, fmt.Errorf("%s of group %d is a %s", r.Replica, g.ID, r.Role)
			}
			out[g.ID] = r.Replica
		}
	}
	return out, nil
}

// whole waits until every group has three replicas that vote (group 0 one on each
// node), and no member that is lost.
func whole(c *cluster.Cluster) {
	c.Eventually("groups with all their replicas", func() error {
		status, err := c.Status()
		if err != nil {
			return err
		}
		for _, g := range status.Groups {
			want := 3
			if g.ID == 0 {
				want = len(c.IDs())
			}
			if len(g.Replicas) != want {
				return fmt.Errorf("group %d has %d replicas", g.ID, len(g.Replicas))
			}
			for _, r := range g.Replicas {
				if r.Role != kv.RoleLeader && r.Role != kv.RoleFollower {
					return fmt.Errorf("%s of group %d is a %s", r.Replica, g.ID, r.Role)
				}
			}
		}
		return nil
	})
}

// A node one of whose groups has damaged files sets these aside and gets the data
// again under a new replica id. Its other groups go on as if nothing was.
func TestDamagedGroupRecoversAlone(t *testing.T) {
	for _, damage := range []struct {
		group uint32
		file  string
		size  int64
	}{{0, "raft.db", 5000}, {2, "raft.db", 5000}, {1, "replica.json", 10}} {
		damagedGroup := damage.group
		t.Run(fmt.Sprintf("group %d %s", damagedGroup, damage.file), func(t *testing.T) {
			c := cluster.Start(t, cluster.Options{Groups: 3})
			write(t, c, "before")
			before, err := replicasOf(c, "n2")
			if err != nil || len(before) != 4 {
				t.Fatal(before, err)
			}
			if err := c.Kill("n2"); err != nil {
				t.Fatal(err)
			}
			folder := filepath.Join(c.At("n2").Dir, "groups", fmt.Sprint(damagedGroup))
			if err := os.Truncate(filepath.Join(folder, damage.file), damage.size); err != nil {
				t.Fatal(err)
			}
			write(t, c, "meanwhile")
			c.StartAll()
			whole(c)
			c.Eventually("a new replica for the damaged one alone", func() error {
				after, err := replicasOf(c, "n2")
				if err != nil {
					return err
				}
				for group, id := range before {
					if after[group] == "" || (after[group] == id) == (group == damagedGroup) {
						return fmt.Errorf("group %d had %s and has %q", group, id, after[group])
					}
				}
				return nil
			})
			if aside, _ := filepath.Glob(folder + ".damaged-*"); len(aside) != 1 {
				t.Errorf("set aside: %v", aside)
			}
			// The new replica has the data: it can read, and it can lead.
			conn, err := cluster.Dial(c.At("n2").Redis)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := conn.Do("READONLY"); err != nil {
				t.Fatal(err)
			}
			for i := range keys {
				// A new replica sends clients to the leader until it has applied its log.
				c.Eventually("a read of the new replica", func() error {
					if reply, err := conn.Do("GET", key(i)); err != nil || string(reply.Str) != "meanwhile" {
						return fmt.Errorf("%s on n2 is %q, %v", key(i), reply.Str, err)
					}
					return nil
				})
			}
			c.KillAll()
			c.StartAll()
			check(t, c, "meanwhile")
		})
	}
}

// A node that lost its whole folder, the cluster's first one, comes back as a new
// incarnation and gets replicas again.
func TestWipedNodeComesBack(t *testing.T) {
	c := cluster.Start(t, cluster.Options{Nodes: 5, Groups: 8})
	write(t, c, "before")
	before, err := replicasOf(c, "n1")
	if err != nil || len(before) < 2 {
		t.Fatal(before, err)
	}
	if err := c.Kill("n1"); err != nil {
		t.Fatal(err)
	}
	write(t, c, "meanwhile")
	if err := os.RemoveAll(c.At("n1").Dir); err != nil {
		t.Fatal(err)
	}
	c.StartAll()
	whole(c)
	c.Eventually("new replicas on n1", func() error {
		after, err := replicasOf(c, "n1")
		if err != nil {
			return err
		}
		for group, id := range after {
			if before[group] == id {
				return fmt.Errorf("group %d has its old replica %s", group, id)
			}
		}
		if len(after) < 2 {
			return errors.New("it has nothing but the map")
		}
		return nil
	})
	check(t, c, "meanwhile")
	checkRedirects(t, c, c.IDs())
	c.KillAll()
	c.StartAll()
	check(t, c, "meanwhile")
}
