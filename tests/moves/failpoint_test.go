package moves

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"raftkv/tests/cluster"
)

// The files by which a node and a test meet at a failpoint; see kv/node.
func reached(c *cluster.Cluster, id string) string {
	return filepath.Join(c.At(id).Dir, "failpoint.reached")
}

func goOn(c *cluster.Cluster, id string) string {
	return filepath.Join(c.At(id).Dir, "failpoint.go")
}

// arm makes the next driver stop at its failpoint, wherever it runs.
func arm(c *cluster.Cluster) {
	for _, id := range c.IDs() {
		os.Remove(reached(c, id))
		os.Remove(goOn(c, id))
	}
}

// awaitFailpoint returns the node whose driver has stopped.
func awaitFailpoint(t *testing.T, c *cluster.Cluster) (node string) {
	t.Helper()
	cluster.Eventually(t, "the failpoint", func() error {
		for _, id := range c.IDs() {
			if _, err := os.Stat(reached(c, id)); err == nil {
				node = id
				return nil
			}
		}
		return errors.New("no node is there")
	})
	return node
}

// release lets all drivers go on.
func release(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	for _, id := range c.IDs() {
		if err := os.WriteFile(goOn(c, id), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
