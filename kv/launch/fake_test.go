package launch_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"raftkv/kv/launch"
	"raftkv/tests/cluster"
)

// asNode makes this test's program act as a node.
const asNode = "LAUNCH_TEST_AS_NODE=1"

func TestMain(m *testing.M) {
	if name, value, _ := strings.Cut(asNode, "="); os.Getenv(name) == value {
		if err := fakeNode(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "fake node:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// identity is the part of a node's node.json that matters here.
type identity struct {
	Cluster, HTTP string
	Ports         []string
}

// fakeNode takes the flags of `raftkv serve`, remembers what a first start tells
// it and serves /readyz until SIGTERM. With --behave it does as bad nodes do.
func fakeNode(args []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	flags.String("id", "", "")
	data := flags.String("data", "", "")
	redis, web, peer := flags.String("redis", "", ""), flags.String("http", "", ""), flags.String("peer", "", "")
	flags.Int("groups", 0, "")
	flags.Int("initial-nodes", 0, "")
	bootstrap, join := flags.Bool("bootstrap", false, ""), flags.String("join", "", "")
	behave := flags.String("behave", "", "refuse, crash, deaf (to SIGTERM) or outsider (never a member)")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	switch *behave {
	case "refuse":
		return errors.New("it does not want to")
	case "crash":
		crash(20)
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
	}
	ctx, stop := context.WithCancel(context.Background())
	if *behave != "deaf" {
		ctx, stop = signal.NotifyContext(ctx, syscall.SIGTERM)
	}
	defer stop()

	path := filepath.Join(*data, "node.json")
	var id identity
	b, err := os.ReadFile(path)
	switch {
	case err == nil:
		err = json.Unmarshal(b, &id)
	case *bootstrap == (*join != ""):
		return errors.New("a new node needs --bootstrap or --join")
	default:
		id = identity{Cluster: "c", HTTP: *web, Ports: []string{*redis, *peer}}
		if *behave == "outsider" {
			id.Cluster = ""
		}
		if b, err = json.Marshal(id); err == nil {
			err = os.WriteFile(path, b, 0o644)
		}
	}
	if err != nil {
		return err
	}
	for _, addr := range id.Ports {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return err
		}
		defer l.Close()
	}
	l, err := net.Listen("tcp", id.HTTP)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	<-ctx.Done()
	server.Close()
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// crash panics so deep that the reason is not among the last lines.
//
//go:noinline
func crash(depth int) int {
	if depth == 0 {
		panic("out of order")
	}
	return crash(depth-1) + depth
}

// newCluster makes a cluster of fake nodes; all are killed when the test ends.
func newCluster(t *testing.T, nodes int, flags ...string) *launch.Cluster {
	t.Helper()
	c := openCluster(t, t.TempDir())
	base := cluster.FreePorts(t, 3*nodes)
	err := c.Create(launch.Spec{Nodes: nodes, RedisPort: base, HTTPPort: base + nodes, PeerPort: base + 2*nodes, Flags: flags})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		nodes, err := c.Nodes()
		if err != nil {
			return // the test has moved it
		}
		for _, n := range nodes {
			if err := c.Kill(n.ID); err != nil {
				t.Error(err)
			}
		}
	})
	return c
}

func openCluster(t *testing.T, dir string, environ ...string) *launch.Cluster {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c, err := launch.Open(dir, self, append(environ, asNode)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), cluster.Patience)
	t.Cleanup(cancel)
	return ctx
}

// start starts the nodes named and waits until they serve.
func start(t *testing.T, c *launch.Cluster, ids ...string) []*launch.Process {
	t.Helper()
	var processes []*launch.Process
	for _, id := range ids {
		p, err := c.Start(id)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.WaitNode(deadline(t), p); err != nil {
			t.Fatal(err)
		}
		processes = append(processes, p)
	}
	return processes
}

func at(t *testing.T, c *launch.Cluster, id string) launch.Node {
	t.Helper()
	n, err := c.Node(id)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func wantState(t *testing.T, c *launch.Cluster, id string, want launch.State) {
	t.Helper()
	if n := at(t, c, id); n.State() != want {
		t.Fatalf("%s is %s, want %s", id, n.State(), want)
	}
}

// arguments returns the command line of a node's process.
func arguments(t *testing.T, c *launch.Cluster, id string) []string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", at(t, c, id).PID))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00")[1:]
}

func wantArgument(t *testing.T, c *launch.Cluster, id, flag string) {
	t.Helper()
	if args := arguments(t, c, id); !slices.Contains(args, flag) {
		t.Errorf("%s runs with %q, want %s", id, args, flag)
	}
}

// sleeper starts a process that is no node, with a node's flag or without.
func sleeper(t *testing.T, args ...string) int {
	t.Helper()
	cmd := exec.Command("sh", append([]string{"-c", "read line", "sh"}, args...)...)
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait() // killed: the error is known
	})
	return cmd.Process.Pid
}

const grace = 10 * time.Second
