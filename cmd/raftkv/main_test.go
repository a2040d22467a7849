package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"raftkv/kv/launch"
	"raftkv/tests/cluster"
)

// asProgram makes this test's program act as raftkv: `up` starts its nodes so.
const asProgram = "RUN_TEST_AS_RAFTKV"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Setenv(asProgram, "1")
	os.Exit(m.Run())
}

// result is what a command answered.
type result struct {
	code           int
	stdout, stderr string
}

func call(t *testing.T, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), cluster.Patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	code := run(ctx, args, &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

// want calls a command and checks its exit code and texts in what it says.
func want(t *testing.T, code int, texts []string, args ...string) result {
	t.Helper()
	r := call(t, args...)
	if r.code != code {
		t.Fatalf("raftkv %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), r.code, code, r.stdout, r.stderr)
	}
	for _, text := range texts {
		if !strings.Contains(r.stdout+r.stderr, text) {
			t.Fatalf("raftkv %s: says nothing of %q:\n%s%s", strings.Join(args, " "), text, r.stdout, r.stderr)
		}
	}
	return r
}

// newFolder returns the path of a folder for a cluster, and flags of `up` with
// ports that are free. What runs there at the end of the test is killed.
func newFolder(t *testing.T, nodes int) (data string, ports []string) {
	t.Helper()
	data = filepath.Join(t.TempDir(), "data")
	base := cluster.FreePorts(t, 3*nodes)
	t.Cleanup(func() {
		for _, n := range nodesOf(t, data) {
			if err := openData(t, data).Kill(n.ID); err != nil {
				t.Error(err)
			}
		}
	})
	return data, []string{"--nodes=" + itoa(nodes), "--redis-port=" + itoa(base), "--http-port=" + itoa(base+nodes), "--peer-port=" + itoa(base+2*nodes), "--min-free=1mb"}
}

func openData(t *testing.T, data string) *launch.Cluster {
	t.Helper()
	local := localCluster{data}
	c, err := local.open("")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// nodesOf lists the nodes of the cluster in data, none if there is no cluster.
func nodesOf(t *testing.T, data string) []launch.Node {
	t.Helper()
	nodes, err := openData(t, data).Nodes()
	if err != nil && !errors.Is(err, launch.ErrNoCluster) {
		t.Fatal(err)
	}
	return nodes
}

func wantAll(t *testing.T, data string, state launch.State) {
	t.Helper()
	for _, n := range nodesOf(t, data) {
		if n.State() != state {
			t.Errorf("%s is %s, want %s", n.ID, n.State(), state)
		}
	}
}
