package launch_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"raftkv/kv/launch"
	"raftkv/tests/cluster"
)

func itoa(n int) string { return strconv.Itoa(n) }

// rewritePID changes the pid in cluster.json, as if the system had given it away.
func rewritePID(t *testing.T, c *launch.Cluster, old, new int) {
	t.Helper()
	path := filepath.Join(c.Dir(), "cluster.json")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(b), `"pid": `+itoa(old), `"pid": `+itoa(new), 1)
	if changed == string(b) {
		t.Fatalf("no pid %d in %s", old, b)
	}
	if err := os.WriteFile(path, []byte(changed), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestNoCluster(t *testing.T) {
	c := openCluster(t, t.TempDir())
	if _, err := c.Nodes(); !errors.Is(err, launch.ErrNoCluster) {
		t.Errorf("Nodes: %v", err)
	}
	if _, err := c.Stop(grace); !errors.Is(err, launch.ErrNoCluster) {
		t.Errorf("Stop: %v", err)
	}
	if err := os.WriteFile(filepath.Join(c.Dir(), "cluster.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Nodes(); err == nil || errors.Is(err, launch.ErrNoCluster) {
		t.Errorf("a damaged file: %v", err)
	}
}

func TestSpecIsChecked(t *testing.T) {
	for _, s := range []launch.Spec{
		{Nodes: 0, RedisPort: 7001, HTTPPort: 8001, PeerPort: 9001},
		{Nodes: 101, RedisPort: 7001, HTTPPort: 8001, PeerPort: 9001},
		{Nodes: 3, RedisPort: 0, HTTPPort: 8001, PeerPort: 9001},
		{Nodes: 3, RedisPort: 7001, HTTPPort: 8001, PeerPort: 65534},
		{Nodes: 3, RedisPort: 7001, HTTPPort: 7003, PeerPort: 9001},
	} {
		if err := openCluster(t, t.TempDir()).Create(s); err == nil {
			t.Errorf("%+v was accepted", s)
		}
	}
}

func TestPortsInUse(t *testing.T) {
	c := newCluster(t, 3)
	if err := c.CheckPorts(); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, addr := range []string{at(t, c, "n2").HTTP, at(t, c, "n3").Peer} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		want = append(want, addr)
	}
	err := c.CheckPorts()
	if err == nil {
		t.Fatal("ports in use were not found")
	}
	for _, text := range append(want, "http of n2", "peer of n3", "--redis-port") {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q does not name %s", err, text)
		}
	}
	if strings.Contains(err.Error(), at(t, c, "n1").Redis) {
		t.Errorf("%q names a free port", err)
	}

	// Its advice can be followed: the folder has no data yet.
	base := cluster.FreePorts(t, 9)
	if err := c.Create(launch.Spec{Nodes: 3, RedisPort: base, HTTPPort: base + 3, PeerPort: base + 6}); err != nil {
		t.Fatal(err)
	}
	if err := c.CheckPorts(); err != nil {
		t.Error(err)
	}
	start(t, c, "n1")
	if err := c.CheckPorts(); err != nil {
		t.Errorf("the cluster's own node is in its way: %v", err)
	}
	if err := c.Create(launch.Spec{Nodes: 3, RedisPort: base, HTTPPort: base + 3, PeerPort: base + 6}); err == nil {
		t.Error("a cluster that has begun was replaced")
	}
}

func TestLostFolderOfTheFirstNodeBeginsNoSecondCluster(t *testing.T) {
	c := newCluster(t, 3)
	start(t, c, "n1", "n2", "n3")
	if err := c.Kill("n1"); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(at(t, c, "n1").Dir); err != nil {
		t.Fatal(err)
	}
	start(t, c, "n1")
	wantArgument(t, c, "n1", fmt.Sprintf("--join=%s,%s", at(t, c, "n2").Peer, at(t, c, "n3").Peer))
}

func TestFirstNodeBeginsIfOthersOnlyTried(t *testing.T) {
	c := newCluster(t, 2, "--behave=outsider")
	start(t, c, "n2") // has a folder, but was never let in
	start(t, c, "n1")
	wantArgument(t, c, "n1", "--bootstrap")
}

func TestMovedFolderTakesItsDataAlong(t *testing.T) {
	c := newCluster(t, 1)
	start(t, c, "n1")
	if _, err := c.Stop(grace); err != nil {
		t.Fatal(err)
	}
	moved := filepath.Join(t.TempDir(), "moved")
	if err := os.Rename(c.Dir(), moved); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(moved, link); err != nil {
		t.Fatal(err)
	}
	m := openCluster(t, moved)
	start(t, m, "n1")
	defer m.Kill("n1")
	wantArgument(t, m, "n1", "--data="+filepath.Join(moved, "n1"))
	wantState(t, openCluster(t, link), "n1", launch.Running)
}

func TestFlags(t *testing.T) {
	c := newCluster(t, 2, "--log-store=boltdb", "--max-memory=1gb")
	if err := c.AddFlags([]string{"--max-memory=2gb", "--pprof=true"}); err != nil {
		t.Fatal(err)
	}
	want := "[--log-store=boltdb --max-memory=2gb --pprof=true]"
	if got := fmt.Sprint(at(t, c, "n1").Flags); got != want {
		t.Errorf("added to: %s, want %s", got, want)
	}
	if err := c.SetFlagsOf("n2", []string{"--behave=refuse"}); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(at(t, c, "n1").Flags, at(t, c, "n2").Flags); got != want+" [--behave=refuse]" {
		t.Errorf("one node's flags set: %s", got)
	}
	if err := c.SetFlags(nil); err != nil {
		t.Fatal(err)
	}
	if got := at(t, c, "n1").Flags; len(got) > 0 {
		t.Errorf("flags replaced by none: %v", got)
	}
}
