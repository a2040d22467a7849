package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"raftkv/shard/controller"
	"raftkv/tests/cluster"
)

// A voter whose folder is gone has forgotten what it voted for and acknowledged, so it
// does not come back under its id: with it, a quorum would lack an acknowledged write.
func TestLostFolderLosesNoWrite(t *testing.T) {
	c := newNodes(t)
	dirs := []string{t.TempDir(), t.TempDir(), t.TempDir()}
	n1 := c.open(1, dirs[0])
	c.do(n1, "SET", "a", "1")
	c.change(n1, controller.SetBalance(false))
	n2 := c.open(2, dirs[1])
	n3 := c.open(3, dirs[2])
	c.voters("n1", "n2", "n3")
	c.allVote(n1)
	had := string(n3.group(1).Replica())
	c.stop(n2)
	c.do(n1, "SET", "a", "2") // acknowledged by n1 and n3
	folder := n3.groupDir(1)
	c.stop(n1)
	c.stop(n3)
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	n3 = c.start(3, dirs[2])
	n2 = c.start(2, dirs[1])
	cluster.Eventually(t, "a new id for the replica on n3", func() error {
		g := n2.shardMap().Group(1) // n2 begins with none, and then old ones
		if g == nil || g.On("n3") == nil || g.On("n3").ID == had {
			return fmt.Errorf("group 1 is %+v", g)
		}
		return nil
	})
	if g := n3.group(1); g != nil && string(g.Replica()) == had {
		t.Fatalf("an empty folder speaks as %s", had)
	}
	c.start(1, dirs[0])
	c.voters("n1", "n2", "n3")
	if got := c.do(n2, "GET", "a"); got != "2" {
		t.Errorf("the acknowledged write is gone: a is %q", got)
	}
}

// A node that starts sees maps of long ago. That nobody else had the data then does not
// make it stop.
func TestLostFolderAndOldMaps(t *testing.T) {
	c := newNodes(t)
	dir := t.TempDir()
	n1 := c.open(1, dir)
	c.change(n1, controller.SetBalance(false))
	c.open(2, t.TempDir())
	c.open(3, t.TempDir())
	c.voters("n1", "n2", "n3")
	folder, had := n1.groupDir(1), string(n1.group(1).Replica())
	c.stop(n1)
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	n1 = c.start(1, dir)
	cluster.Eventually(t, "a new id for the replica on n1", func() error {
		if err := n1.Failure(); err != nil {
			t.Fatal(err)
		}
		if g := n1.group(1); g == nil || string(g.Replica()) == had {
			return fmt.Errorf("it is not open, or is %s", had)
		}
		return nil
	})
}

// A node whose replicas nobody else has does not go on without the folder of one, and
// names it.
func TestLostFolderOfALonelyNode(t *testing.T) {
	for group := range uint32(2) {
		c := newNodes(t)
		dir := t.TempDir()
		n := c.open(1, dir)
		folder := n.groupDir(group)
		c.stop(n)
		if err := os.RemoveAll(folder); err != nil {
			t.Fatal(err)
		}
		n, err := Open(c.config(1, dir))
		if err == nil {
			ctx, cancel := context.WithTimeout(t.Context(), cluster.Patience)
			err = n.Wait(ctx)
			cancel()
			n.Close()
		}
		if err == nil || !damaged(err) || !strings.Contains(err.Error(), folder) {
			t.Errorf("without the folder of group %d it says: %v", group, err)
		}
		if _, err := os.Stat(folder); err == nil {
			t.Errorf("it made a new %s", folder)
		}
	}
}

// The folder of a damaged replica tells at every moment that the replica is lost or is
// damaged, wherever a crash comes between; and all files are kept.
func TestSetAside(t *testing.T) {
	n := &Node{config: Config{Dir: t.TempDir()}, identity: new(identity), log: slog.New(slog.DiscardHandler)}
	dir := n.groupDir(1)
	if err := writeReplica(dir, replicaFile{Replica: "n1.7"}); err != nil {
		t.Fatal(err)
	}
	put := func(path string) {
		t.Helper()
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("x"), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	kept := func(name string) {
		t.Helper()
		if found, err := filepath.Glob(filepath.Join(dir+".damaged-*", name)); err != nil || len(found) != 1 {
			t.Errorf("%s was kept as %v", name, found)
		}
		if _, err := os.Stat(filepath.Join(dir, name)); name != replicaName && !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is there still (%v)", name, err)
		}
	}
	put(filepath.Join(dir, "raft.db"))
	put(filepath.Join(dir, "wal", "1.wal"))
	before, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.setAside(1, "n1.7", errors.New("damaged")); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(dir); err != nil || !os.SameFile(before, after) {
		t.Errorf("for a moment there was no folder (%v)", err)
	}
	if file, err := readReplica(dir); err != nil || file == nil || !file.Lost || file.Replica != "n1.7" {
		t.Errorf("the folder says %+v, %v", file, err)
	}
	for _, name := range []string{replicaName, "raft.db", "wal/1.wal"} {
		kept(name)
	}

	put(filepath.Join(dir, "log.db")) // as if a crash had kept it from being moved
	if err := n.makeFolder(1, "n1.9"); err != nil {
		t.Fatal(err)
	}
	if file, err := readReplica(dir); err != nil || file == nil || file.Lost || file.Replica != "n1.9" {
		t.Errorf("the new folder says %+v, %v", file, err)
	}
	kept("log.db")
}

// Only a folder that was there can be lost: one that has not been made yet is not, though
// the map has the replica as a voter of a founded group, as it has founders that come late.
func TestFolderThatNeverWasIsNotLost(t *testing.T) {
	n := &Node{config: Config{Dir: t.TempDir()}, identity: new(identity)}
	here := func(replica string) string {
		file, err := n.readOwn(1, replica)
		return fmt.Sprint(file != nil, damaged(err))
	}
	if got := here("n1.7"); got != "false false" {
		t.Errorf("before it was made: %s", got)
	}
	if err := n.makeFolder(1, "n1.7"); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(identityPath(n.config.Dir))
	if err != nil {
		t.Fatal(err)
	}
	n.identity = new(identity) // what it knows when it starts is what node.json says
	if err := json.Unmarshal(b, n.identity); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(n.groupDir(1)); err != nil {
		t.Fatal(err)
	}
	if got := here("n1.7"); got != "false true" {
		t.Errorf("lost: %s", got)
	}
	if got := here("n1.9"); got != "false false" {
		t.Errorf("its successor: %s", got)
	}
	if err := n.makeFolder(1, "n1.9"); err != nil {
		t.Fatal(err)
	}
	if err := n.deleteFolder(1); err != nil {
		t.Fatal(err)
	}
	if got := here("n1.9"); got != "false false" {
		t.Errorf("deleted: %s", got)
	}
}
