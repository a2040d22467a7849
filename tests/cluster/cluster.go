// Package cluster runs real raftkv processes for tests: started, killed, paused
// and looked at as a person would.
package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"raftkv/kv"
	"raftkv/kv/launch"
)

// Patience is how long a condition may take that must come true. It is long:
// tests wait for conditions, and only broken code waits as long.
const Patience = 40 * time.Second

// Options say what to start.
type Options struct {
	Nodes  int      // 0: 3
	Groups int      // that share the slots; 0: 1, so that one node leads all
	Flags  []string // of raftkv serve
}

// Cluster is a running cluster. It is stopped when the test ends.
type Cluster struct {
	*launch.Cluster
	t   testing.TB
	ids []string
}

var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "raftkv-test-bin-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "raftkv")
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-o", path, "./cmd/raftkv")
	cmd.Dir = strings.TrimSpace(string(root))
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build raftkv: %w\n%s", err, out)
	}
	return path, nil
})

// Main runs a package's tests and removes what they built. Call it from
// TestMain.
func Main(m *testing.M) {
	code := m.Run()
	if path, err := build(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// Binary returns the path of the program, built once a test process.
func Binary(t testing.TB) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Start starts a cluster and waits until it serves.
func Start(t testing.TB, opts Options) *Cluster {
	t.Helper()
	c := New(t, opts)
	c.StartAll()
	return c
}

// New makes a cluster without starting it.
func New(t testing.TB, opts Options) *Cluster {
	t.Helper()
	if opts.Nodes == 0 {
		opts.Nodes = 3
	}
	if opts.Groups == 0 {
		opts.Groups = 1
	}
	l, err := launch.Open(t.TempDir(), Binary(t))
	if err != nil {
		t.Fatal(err)
	}
	base := FreePorts(t, 3*opts.Nodes)
	err = l.Create(launch.Spec{
		Nodes: opts.Nodes, Groups: opts.Groups, RedisPort: base, HTTPPort: base + opts.Nodes, PeerPort: base + 2*opts.Nodes,
		Flags: append([]string{"--min-free=1mb"}, opts.Flags...),
	})
	if err != nil {
		t.Fatal(err)
	}
	c := &Cluster{Cluster: l, t: t}
	for _, n := range c.nodes() {
		c.ids = append(c.ids, n.ID)
	}
	t.Cleanup(func() {
		if t.Failed() {
			c.logTails()
		}
		for _, id := range c.ids {
			c.Kill(id) // data is in a temporary folder: no need for order
		}
	})
	return c
}

// ports hands every cluster of this process other ones.
var ports struct {
	sync.Mutex
	next int
}

// FreePorts returns the first of n consecutive ports that nothing listens on.
// They lie below the range from which the system takes ports for connections.
func FreePorts(t testing.TB, n int) int {
	t.Helper()
	ports.Lock()
	defer ports.Unlock()
	if ports.next == 0 {
		// Test processes of different packages run at the same time.
		ports.next = 12000 + os.Getpid()%900*20
	}
	for range 500 {
		base := ports.next
		ports.next += n
		if ports.next > 32000 {
			ports.next = 12000
		}
		free := true
		for port := base; port < base+n && free; port++ {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if free = err == nil; free {
				l.Close()
			}
		}
		if free {
			return base
		}
	}
	t.Fatal("no free ports")
	return 0
}

func (c *Cluster) nodes() []launch.Node {
	c.t.Helper()
	nodes, err := c.Nodes()
	if err != nil {
		c.t.Fatal(err)
	}
	return nodes
}

// IDs returns the ids of all nodes.
func (c *Cluster) IDs() []string { return slices.Clone(c.ids) }

// At returns what is known of a node.
func (c *Cluster) At(id string) launch.Node {
	c.t.Helper()
	n, err := c.Node(id)
	if err != nil {
		c.t.Fatal(err)
	}
	return n
}

// StartAll starts all nodes that do not run and waits until all serve.
func (c *Cluster) StartAll() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	var processes []*launch.Process
	for _, n := range c.nodes() {
		if n.State() != launch.Dead {
			continue
		}
		p, err := c.Start(n.ID)
		if err != nil {
			c.t.Fatal(err)
		}
		processes = append(processes, p)
	}
	if err := c.WaitReady(ctx, processes); err != nil {
		c.t.Fatal(err)
	}
}

// Launch starts a node without waiting until it serves.
func (c *Cluster) Launch(id string) *launch.Process {
	c.t.Helper()
	p, err := c.Start(id)
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}

// KillAll ends all nodes at once, as a loss of power does.
func (c *Cluster) KillAll() {
	c.t.Helper()
	var all sync.WaitGroup
	for _, id := range c.ids {
		all.Go(func() { c.must(c.Kill(id)) })
	}
	all.Wait()
}

func (c *Cluster) must(err error) {
	if err != nil && !strings.Contains(err.Error(), "does not run") {
		c.t.Error(err)
	}
}

// Status asks a node that answers for the cluster's status.
func (c *Cluster) Status() (kv.Status, error) {
	var errs []error
	for _, n := range c.nodes() {
		if n.State() != launch.Running {
			continue
		}
		s, err := StatusOf(n.HTTP)
		if err == nil {
			return s, nil
		}
		errs = append(errs, err)
	}
	return kv.Status{}, errors.Join(errs...)
}

// StatusOf asks the node at an HTTP address.
func StatusOf(addr string) (s kv.Status, err error) {
	client := http.Client{Timeout: 3 * time.Second}
	response, err := client.Get("http://" + addr + "/v1/status")
	if err != nil {
		return s, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(body, &s)
}

// GroupIn returns a group of a status, or an error.
func GroupIn(s kv.Status, id uint32) (kv.GroupStatus, error) {
	for _, g := range s.Groups {
		if g.ID == id {
			return g, nil
		}
	}
	return kv.GroupStatus{}, fmt.Errorf("there is no group %d among %d", id, len(s.Groups))
}

// Leader waits until a node serves as leader and returns its id; with several
// groups, that of one of them. Nodes in but do not count: they are dead or paused,
// and others may not know yet.
func (c *Cluster) Leader(but ...string) string {
	c.t.Helper()
	leader := ""
	c.Eventually("a leader", func() error {
		for _, n := range c.nodes() {
			if n.State() != launch.Running || slices.Contains(but, n.ID) {
				continue
			}
			r, err := Dial(n.Redis)
			if err != nil {
				continue
			}
			reply, err := r.Do("GET", "who-leads")
			r.Close()
			if err == nil && reply.Kind != kv.Error {
				leader = n.ID
				return nil
			}
		}
		return errors.New("none")
	})
	return leader
}

// Followers returns the nodes beside the leader.
func (c *Cluster) Followers() []string {
	c.t.Helper()
	leader := c.Leader()
	return slices.DeleteFunc(c.IDs(), func(id string) bool { return id == leader })
}

// Eventually waits until fn returns nil.
func (c *Cluster) Eventually(what string, fn func() error) {
	c.t.Helper()
	Eventually(c.t, what, fn)
}

// Eventually waits until fn returns nil, and fails the test if it takes too long.
func Eventually(t testing.TB, what string, fn func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(Patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if err = fn(); err == nil {
			return
		}
	}
	t.Fatalf("waited %v for %s: %v", Patience, what, err)
}

// logTails shows the end of each node's logs.
func (c *Cluster) logTails() {
	for _, n := range c.nodes() {
		for _, file := range []string{filepath.Join("log", "node.jsonl"), "console.log"} {
			b, err := os.ReadFile(filepath.Join(n.Dir, file))
			if err != nil {
				continue
			}
			lines := strings.Split(strings.TrimSpace(string(b)), "\n")
			c.t.Logf("%s %s:\n%s", n.ID, file, strings.Join(lines[max(0, len(lines)-25):], "\n"))
		}
	}
}
