package node

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"raftkv/kv"
	"raftkv/kv/group"
	"raftkv/shard"
	"raftkv/shard/controller"
	"raftkv/shard/plan"
	"raftkv/tests/cluster"
)

// nodes are those of one cluster, all in this process.
type nodes struct {
	t    *testing.T
	base int // port
	all  map[string]*Node
	edit func(*Config) // what else the nodes are configured with, or nil
}

const mostNodes = 6

func newNodes(t *testing.T) *nodes {
	t.TempDir() // so that folders are removed after the nodes have left them
	c := &nodes{t: t, base: cluster.FreePorts(t, 3*mostNodes), all: make(map[string]*Node)}
	t.Cleanup(func() {
		for _, n := range c.all {
			if err := n.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return c
}

func (c *nodes) addr(kind, i int) string {
	return fmt.Sprintf("127.0.0.1:%d", c.base+kind*mostNodes+i-1)
}

// open starts node i in dir and waits until it is ready; the first one begins the
// cluster.
func (c *nodes) open(i int, dir string) *Node {
	c.t.Helper()
	n := c.start(i, dir)
	cluster.Eventually(c.t, n.ID()+" ready", func() error { return n.Ready(c.t.Context()) })
	return n
}

// start is open without waiting.
func (c *nodes) start(i int, dir string) *Node {
	c.t.Helper()
	n, err := Open(c.config(i, dir))
	if err != nil {
		c.t.Fatal(err)
	}
	c.all[n.ID()] = n
	return n
}

// config is what node i runs with.
func (c *nodes) config(i int, dir string) Config {
	config := Config{ID: fmt.Sprint("n", i), Dir: dir, Redis: c.addr(0, i), HTTP: c.addr(1, i), Peer: c.addr(2, i), MinFree: 1 << 20}
	if i == 1 {
		config.Bootstrap = true
	} else {
		config.Join = []string{c.addr(2, 1)}
	}
	if c.edit != nil {
		c.edit(&config)
	}
	return config
}

// stop ends a node.
func (c *nodes) stop(n *Node) {
	c.t.Helper()
	if err := n.Close(); err != nil {
		c.t.Fatal(err)
	}
	delete(c.all, n.ID())
}

// change changes the map.
func (c *nodes) change(n *Node, change []byte) {
	c.t.Helper()
	cluster.Eventually(c.t, "a change of the map", func() error {
		_, err := n.control(c.t.Context(), change)
		return err
	})
}

// voters waits until group 1 has just these voters, in the map and in raft.
func (c *nodes) voters(want ...string) {
	c.t.Helper()
	cluster.Eventually(c.t, fmt.Sprint("voters of group 1 on ", want), func() error {
		for _, n := range c.all {
			g := n.group(1)
			if g == nil || !g.Serving() {
				continue
			}
			placed := n.shardMap().Group(1)
			if len(placed.Replicas) != len(want) || len(g.Servers()) != len(want) {
				return fmt.Errorf("the map has %v, the group %v", placed.Replicas, g.Servers())
			}
			for _, node := range want {
				if r := placed.On(node); r == nil || !r.Voter {
					return fmt.Errorf("the map has %v", placed.Replicas)
				}
			}
			return nil
		}
		return errors.New("nobody leads")
	})
}

// allVote waits until every member of group 0 votes, by n's map.
func (c *nodes) allVote(n *Node) {
	c.t.Helper()
	cluster.Eventually(c.t, "all members of group 0 vote", func() error {
		for _, r := range n.shardMap().Group(0).Replicas {
			if !r.Voter {
				return fmt.Errorf("%s has no vote", r.ID)
			}
		}
		return nil
	})
}

func (c *nodes) do(n *Node, args ...string) string {
	c.t.Helper()
	var words [][]byte
	for _, a := range args {
		words = append(words, []byte(a))
	}
	var reply kv.Reply
	cluster.Eventually(c.t, fmt.Sprintf("%v by %s", args, n.ID()), func() error {
		ctx, cancel := context.WithTimeout(c.t.Context(), cluster.Patience)
		defer cancel()
		if reply = n.Do(ctx, words...); reply.Kind == kv.Error {
			return errors.New(string(reply.Str)) // a busy machine loses leaders; all commands here may be repeated
		}
		return nil
	})
	return string(reply.Str)
}

// A node that ends, and cannot close a replica since its disk hangs, leads no other group
// any more.
func TestHungReplicaKeepsNoOtherLeading(t *testing.T) {
	c := newNodes(t)
	c.edit = func(config *Config) { config.Faults, config.HangTimeout = true, time.Second }
	n1 := c.open(1, t.TempDir())
	n2 := c.open(2, t.TempDir())
	n3 := c.open(3, t.TempDir())
	c.voters("n1", "n2", "n3")
	c.change(n1, controller.SetBalance(false))
	cluster.Eventually(t, "n1 leading group 1", func() error {
		if n1.group(1).Serving() {
			return nil
		}
		return cmp.Or(n2.carryOut(t.Context(), n2.shardMap(), plan.Action{Kind: plan.TransferLeader, Group: 1, Node: "n1"}), errors.New("not yet"))
	})

	if _, err := n1.Fault(t.Context(), "hang-fsync n1", false); err != nil {
		t.Fatal(err)
	}
	cluster.Eventually(t, "the failure of n1", func() error {
		n2.control(t.Context(), controller.SetBalance(true)) // something to write
		if n1.Failure() == nil {
			return errors.New("it goes on")
		}
		return nil
	})
	closed := make(chan struct{})
	go func() {
		n1.Close()
		close(closed)
	}()
	cluster.Eventually(t, "another leader of group 1", func() error {
		if n2.group(1).Serving() || n3.group(1).Serving() {
			return nil
		}
		return errors.New("nobody leads")
	})
	n1.faults.Heal("")
	<-closed
	delete(c.all, "n1") // it could not be closed in order
}

// Nodes join one after the other and get replicas without a command. A replica
// that the map takes away from the leader's node goes only when others have all it
// has, and its files go with it; and any node finds the group all the same.
func TestNodesJoinAndReplicasMove(t *testing.T) {
	c := newNodes(t)
	n1 := c.open(1, t.TempDir())
	c.do(n1, "SET", "a", "1")
	c.change(n1, controller.SetBalance(false)) // or it would add groups, and even replicas out
	n2 := c.open(2, t.TempDir())
	c.open(3, t.TempDir())
	c.voters("n1", "n2", "n3")
	n4 := c.open(4, t.TempDir())
	if g := n4.group(1); g != nil {
		t.Error("n4 has a replica that nobody needs")
	}
	if got := c.do(n4, "GET", "a"); got != "1" {
		t.Errorf("a by way of n4 is %q", got)
	}

	for _, to := range []string{"n3", "n1"} { // wherever the order is given
		cluster.Eventually(t, to+" leading group 1", func() error {
			if err := n4.carryOut(t.Context(), n4.shardMap(), plan.Action{Kind: plan.TransferLeader, Group: 1, Node: to}); err != nil {
				return err
			}
			if !c.all[to].group(1).Serving() {
				return errors.New("it does not yet")
			}
			return nil
		})
	}
	if err := n4.letLead(t.Context(), leadOrder{1, "n4"}); err == nil {
		t.Error("n4 is to lead a group that it has no replica of")
	}

	old := n1.group(1)
	c.change(n2, controller.Drain("n1"))
	c.voters("n2", "n3", "n4")
	cluster.Eventually(t, "no replica on n1", func() error {
		if n1.group(1) != nil {
			return errors.New("it is open")
		}
		if _, err := os.Stat(n1.groupDir(1)); !os.IsNotExist(err) {
			return fmt.Errorf("its folder is there (%v)", err)
		}
		return nil
	})
	c.do(n1, "SET", "a", "2")
	cluster.Eventually(t, "a redirect from n1", func() error {
		route := routes{n1}.Route(shard.Slot([]byte("a")))
		if route.Group != nil || route.Leader || route.LeaderAddr == nil {
			return fmt.Errorf("%+v", route)
		}
		if leader := n1.leaderOf(1); leader == "" || route.LeaderAddr() != n1.redisOf(leader) {
			return fmt.Errorf("%q leads, clients are sent to %q", leader, route.LeaderAddr())
		}
		return nil
	})
	if m, err := n1.Map(1); err != nil || len(m.Nodes) != 1 {
		t.Errorf("the first map: %+v, %v", m, err)
	}

	// The replica comes back, under another id.
	c.change(n1, controller.Undrain("n1"))
	c.change(n1, controller.Drain("n2"))
	c.voters("n1", "n3", "n4")
	if g := n1.group(1); g == nil || g.Replica() == old.Replica() {
		t.Errorf("n1 has %v again, it was %s", g, old.Replica())
	}
	if got := c.do(n1, "GET", "a"); got != "2" {
		t.Errorf("a is %q", got)
	}
}

// Who joins at the very moment that the first node begins to lead does not come before
// it in the map: the replica that the node began with would be one too many there.
func TestJoinBeforeTheFounder(t *testing.T) {
	for range 4 { // it takes some luck to come between
		joinBeforeTheFounder(t)
	}
}

func joinBeforeTheFounder(t *testing.T) {
	c := newNodes(t)
	n := c.start(1, t.TempDir())
	began := string(n.group(shard.Controller).Replica())
	joiner := shard.Node{ID: "n2", Redis: c.addr(0, 2), HTTP: c.addr(1, 2), Peer: c.addr(2, 2), Incarnation: "x"}
	var asking sync.WaitGroup
	for range 16 {
		asking.Go(func() {
			deadline := time.Now().Add(10 * time.Second)
			for {
				_, err := n.admit(t.Context(), placeRequest{Node: joiner})
				if err == nil {
					return
				}
				if time.Now().After(deadline) {
					t.Error(err)
					return
				}
			}
		})
	}
	asking.Wait()
	if t.Failed() {
		t.FailNow()
	}
	controllers := n.shardMap().Group(shard.Controller)
	if controllers == nil {
		t.Fatal("the node has lost its map")
	}
	replicas := controllers.Replicas
	at := slices.IndexFunc(replicas, func(r shard.Replica) bool { return r.Node == "n1" })
	if at < 0 || replicas[at].ID != began || len(replicas) != 2 {
		t.Fatalf("the node began with replica %s, the map has %v", began, replicas)
	}
}

// A node cannot take the name of one that runs, and says so.
func TestTwinIsRefused(t *testing.T) {
	c := newNodes(t)
	c.open(1, t.TempDir())
	c.open(2, t.TempDir())
	twin, err := Open(Config{ID: "n2", Dir: t.TempDir(), Redis: c.addr(0, 3), HTTP: c.addr(1, 3), Peer: c.addr(2, 3), Join: []string{c.addr(2, 1)}})
	if err != nil {
		t.Fatal(err)
	}
	defer twin.Close()
	cluster.Eventually(t, "a refusal", func() error {
		if _, err := twin.askPlace(t.Context()); err == nil || !strings.Contains(err.Error(), "a node with id n2 is running at "+c.addr(2, 2)) {
			return fmt.Errorf("it is told: %v", err)
		}
		return nil
	})
	cluster.Eventually(t, "the reason in readiness", func() error {
		if err := twin.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "a node with id n2 is running at ") {
			return fmt.Errorf("Ready says %v", err)
		}
		return nil
	})
	if c.all["n1"].shardMap().Node("n2").Peer != c.addr(2, 2) {
		t.Error("the map has the twin")
	}
}

// A node whose replica was replaced while it was away finds that out, deletes what
// it has, and goes on with the successor; the controller's group included.
func TestReplacedWhileAway(t *testing.T) {
	c := newNodes(t)
	n1 := c.open(1, t.TempDir())
	c.open(2, t.TempDir())
	dir := t.TempDir()
	n3 := c.open(3, dir)
	c.voters("n1", "n2", "n3")
	c.do(n1, "SET", "a", "1")
	before := []string{string(n3.group(0).Replica()), string(n3.group(1).Replica())}
	if err := n3.Close(); err != nil {
		t.Fatal(err)
	}
	delete(c.all, "n3")
	for group, id := range before {
		c.change(n1, controller.ReplaceReplica(uint32(group), id))
	}
	c.do(n1, "SET", "a", "2")
	n3 = c.open(3, dir)
	c.voters("n1", "n2", "n3")
	cluster.Eventually(t, "the successors", func() error {
		m := n1.shardMap()
		for group, id := range before {
			g, r := n3.group(uint32(group)), m.Group(uint32(group)).On("n3")
			if g == nil || r.ID == id || string(g.Replica()) != r.ID || !r.Voter {
				return fmt.Errorf("group %d had %s, the map has %+v; does the node have one: %t", group, id, r, g != nil)
			}
		}
		return nil
	})
	if got := c.do(n3, "GET", "a"); got != "2" {
		t.Errorf("a is %q", got)
	}
}

// A node goes on with its replica of the controller's group for as long as that is a
// member, whatever the map says; and it is not removed while the quorum needs it, though
// the leader does not know yet that another one is gone.
func TestReplicaStaysWhileItIsAMember(t *testing.T) {
	c := newNodes(t)
	n1 := c.open(1, t.TempDir())
	dir := t.TempDir()
	n2 := c.open(2, dir)
	n3 := c.open(3, t.TempDir())
	c.voters("n1", "n2", "n3")
	c.allVote(n1)
	had := string(n3.group(0).Replica())
	delete(c.all, "n2")
	if err := n2.Close(); err != nil {
		t.Fatal(err)
	}
	c.change(n1, controller.ReplaceReplica(0, had))
	var got place
	cluster.Eventually(t, "the place of n3", func() (err error) {
		got, err = n3.askPlace(t.Context())
		return err
	})
	if got.Replica != had {
		t.Errorf("n3 is to go on with replica %s of group 0, but %s is a member still", got.Replica, had)
	}
	c.open(2, dir)
	cluster.Eventually(t, "the successor", func() error {
		g, r := n3.group(0), n1.shardMap().Group(0).On("n3")
		if g == nil || r.ID == had || string(g.Replica()) != r.ID || !r.Voter {
			return fmt.Errorf("n3 had %s, the map has %+v; does the node have one: %t", had, r, g != nil)
		}
		return nil
	})
}

// While its replica of the controller's group is being replaced a node has none,
// and may be asked at that very moment.
func TestReadyWithoutController(t *testing.T) {
	n := new(Node)
	n.groups.Store(new([]*group.Group))
	if err := n.Ready(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "CLUSTERDOWN ") || !strings.Contains(err.Error(), errStarting.Error()) {
		t.Errorf("Ready says %v", err)
	}
}

// A request that a node has taken gets its answer although the node ends meanwhile;
// who follows the events does not hold it up.
func TestCloseAnswersRequests(t *testing.T) {
	c := newNodes(t)
	n := c.open(1, t.TempDir())
	follow, err := http.Get("http://" + c.addr(1, 1) + "/v1/events")
	if err != nil {
		t.Fatal(err)
	}
	defer follow.Body.Close()
	conn, err := net.Dial("tcp", c.addr(1, 1))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// The answer "100 Continue" tells that the handler reads the value.
	fmt.Fprint(conn, "PUT /v1/kv/a HTTP/1.1\r\nHost: n1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
	in := bufio.NewReader(conn)
	if resp, err := http.ReadResponse(in, nil); err != nil || resp.StatusCode != http.StatusContinue {
		t.Fatalf("%v, %v", resp, err)
	}
	closed := make(chan error, 1)
	go func() { closed <- n.Close() }()
	cluster.Eventually(t, "no new connections", func() error {
		other, err := net.Dial("tcp", c.addr(1, 1))
		if err != nil {
			return nil
		}
		other.Close()
		return errors.New("it still listens")
	})
	fmt.Fprint(conn, "ok")
	if _, err := http.ReadResponse(in, nil); err != nil {
		t.Errorf("no answer: %v", err)
	}
	if _, err := io.Copy(io.Discard, follow.Body); err != nil {
		t.Errorf("the stream of events was cut off: %v", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}
