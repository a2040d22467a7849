package groups

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"raftkv/kv/ask"
	"raftkv/shard"
	"raftkv/tests/cluster"
)

// A node that stays away is replaced on others, without ever asking more of a group
// than its living voters can give. When it comes back, it deletes what has gone, and is
// given replicas again.
func TestDeadNodeIsReplacedAndComesBack(t *testing.T) {
	c := cluster.Start(t, cluster.Options{Nodes: 4, Groups: 4, Flags: []string{"--replace-after=3s"}})
	write(t, c, "replaced")
	whole(c)
	const gone = "n2"
	before, err := mapOf(c, "n1", 0)
	if err != nil {
		t.Fatal(err)
	}
	old := replicasIn(before, gone)
	if len(old) == 0 {
		t.Fatalf("%s has no replicas to replace: %+v", gone, before.Groups)
	}
	if err := c.Kill(gone); err != nil {
		t.Fatal(err)
	}
	var after *shard.Map
	c.Eventually("three living voters in every group", func() error {
		if after, err = mapOf(c, "n1", 0); err != nil {
			return err
		}
		for _, g := range after.Groups[1:] {
			if g.On(gone) != nil || len(g.Replicas) != 3 || voters(g, gone) != 3 {
				return fmt.Errorf("group %d has %+v", g.ID, g.Replicas)
			}
		}
		return nil
	})
	for epoch := before.Epoch + 1; epoch <= after.Epoch; epoch++ {
		m, err := mapOf(c, "n1", epoch)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range m.Groups[1:] {
			if all, living := voters(g, ""), voters(g, gone); living < all/2+1 {
				t.Errorf("epoch %d: %d of %d voters of group %d live: %+v", epoch, living, all, g.ID, g.Replicas)
			}
		}
	}
	check(t, c, "replaced")

	c.StartAll()
	c.Eventually(gone+" in use again, and nothing left of what it had", func() error {
		m, err := mapOf(c, gone, 0)
		if err != nil {
			return err
		}
		now := replicasIn(m, gone)
		if len(now) == 0 {
			return errors.New("it has no replicas")
		}
		for group, id := range now {
			if r := m.Group(group).On(gone); !r.Voter || id == old[group] {
				return fmt.Errorf("its replica of group %d is %+v, and was %s", group, r, old[group])
			}
		}
		return onlyFolders(c, gone, now)
	})
	whole(c)
	check(t, c, "replaced")
}

// mapOf returns the map of an epoch by a node.
func mapOf(c *cluster.Cluster, node string, epoch uint64) (*shard.Map, error) {
	path := "/v1/map"
	if epoch > 0 {
		path += fmt.Sprint("?epoch=", epoch)
	}
	m := new(shard.Map)
	return m, ask.Question{Addr: c.At(node).HTTP, Path: path}.Into(context.Background(), m)
}

// replicasIn returns the ids of a node's replicas of the groups that own slots.
func replicasIn(m *shard.Map, node string) map[uint32]string {
	out := make(map[uint32]string)
	for _, g := range m.Groups[1:] {
		if r := g.On(node); r != nil {
			out[g.ID] = r.ID
		}
	}
	return out
}

// voters counts a group's voters but for those on a node.
func voters(g shard.Group, but string) (n int) {
	for _, r := range g.Replicas {
		if r.Voter && r.Node != but {
			n++
		}
	}
	return n
}

// onlyFolders tells what a node's folder has beside its replicas and the
// controller's.
func onlyFolders(c *cluster.Cluster, node string, replicas map[uint32]string) error {
	entries, err := os.ReadDir(filepath.Join(c.At(node).Dir, "groups"))
	if err != nil {
		return err
	}
	want := []string{"0"}
	for group := range replicas {
		want = append(want, strconv.Itoa(int(group)))
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		return fmt.Errorf("its folder has groups %s, want %s", strings.Join(got, " "), strings.Join(want, " "))
	}
	return nil
}
