package program

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"raftkv/shard"
	"raftkv/tests/cluster"
)

// person gives commands to the node at an HTTP address.
type person struct {
	t    *testing.T
	addr string
}

func (p person) args(command string) []string {
	return append(strings.Fields(command), "--addr", p.addr)
}

// run gives a command, and again while the controller elects: nothing was done then,
// and a busy machine loses leaders.
func (p person) run(args []string) (out, errs string, code int) {
	p.t.Helper()
	cluster.Eventually(p.t, "an answer to raftkv "+strings.Join(args, " "), func() error {
		if out, errs, code = run(p.t, args...); code == 1 && strings.Contains(errs, "CLUSTERDOWN") {
			return errors.New(errs)
		}
		return nil
	})
	return out, errs, code
}

// ok gives a command that must succeed and say something.
func (p person) ok(command, says string) {
	p.t.Helper()
	if out, errs, code := p.run(p.args(command)); code != 0 || !strings.Contains(out, says) {
		p.t.Errorf("raftkv %s: exit code %d, want 0 and %q\n%s%s", command, code, says, out, errs)
	}
}

// refused gives a command that must fail and say why.
func (p person) refused(command, says string) {
	p.t.Helper()
	if out, errs, code := p.run(p.args(command)); code != 1 || !strings.Contains(errs, says) {
		p.t.Errorf("raftkv %s: exit code %d, want 1 and %q\n%s%s", command, code, says, out, errs)
	}
}

// json gives a command with --json and reads what it prints.
func (p person) json(command string, out any) {
	p.t.Helper()
	text, errs, code := p.run(append(p.args(command), "--json"))
	if code != 0 {
		p.t.Fatalf("raftkv %s --json: exit code %d\n%s", command, code, errs)
	}
	if err := json.Unmarshal([]byte(text), out); err != nil {
		p.t.Fatalf("raftkv %s --json: %v\n%s", command, err, text)
	}
}

type listedNode struct {
	ID, State, Group0      string
	Replicas, Leads, Slots int
}

type listedGroup struct {
	ID       uint32
	Leader   string
	Replicas []shard.Replica
	Slots    []shard.Range
	Count    int `json:"slot_count"`
}

func (p person) nodes() map[string]listedNode {
	p.t.Helper()
	var list []listedNode
	p.json("node list", &list)
	out := make(map[string]listedNode)
	for _, n := range list {
		out[n.ID] = n
	}
	return out
}

func (p person) groups() map[uint32]listedGroup {
	p.t.Helper()
	var list []listedGroup
	p.json("group list", &list)
	out := make(map[uint32]listedGroup)
	for _, g := range list {
		out[g.ID] = g
	}
	return out
}

func TestOrders(t *testing.T) {
	c := cluster.Start(t, cluster.Options{Groups: 3})
	p, other := person{t, c.At("n1").HTTP}, person{t, c.At("n3").HTTP}
	client := c.Client()
	defer client.Close()

	p.ok("balance off", "the balancer is off")
	other.ok("balance off", "is off already")
	other.ok("balance status", "the balancer is off\nno migrations are under way")
	var migrations []shard.Migration
	if p.json("migrations list", &migrations); len(migrations) != 0 {
		t.Errorf("migrations: %v", migrations)
	}
	slots := 0
	for id, n := range p.nodes() {
		if slots += n.Slots; n.State != "active" || n.Replicas != 3 {
			t.Errorf("%s: %+v", id, n)
		}
	}
	if slots != shard.Slots {
		t.Errorf("the nodes lead %d slots", slots)
	}

	// Leadership goes where it was ordered to, by way of any node, and twice.
	for _, to := range []string{"n1", "n2", "n3"} {
		p.ok("leader move --group 2 --to "+to, to+" leads group 2")
		other.ok("leader move --group 2 --to "+to, "already")
		if got := other.groups()[2].Leader; got != to {
			t.Errorf("group 2 is led by %s, not by %s", got, to)
		}
	}
	p.refused("leader move --group 2 --to n9", "there is no node n9")
	p.refused("leader move --group 9 --to n1", "no group 9")
	other.ok("leader move --group 0 --to n2", "n2 leads group 0")

	// A node without another to take over drains only if it is forced.
	p.refused("node drain n3", "2 usable nodes would remain (alive and not draining), and groups have 3 replicas")
	p.ok("node drain n3 --force", "groups keep at most 2 replicas")
	p.ok("node drain n3", "already")
	if got := other.nodes()["n3"]; got.State != "draining" {
		t.Errorf("n3: %+v", got)
	}
	p.refused("node drain n2", "1 usable node would remain")
	p.refused("node remove n3", "node n3 ")
	p.refused("node drain n9", "no node")
	p.ok("node remove n9", "no node n9 to remove")
	p.refused("group add --nodes n1,n3", "n3 is draining")
	p.ok("node undrain n3", "n3 is active")
	p.ok("node undrain n3", "not draining")

	// A new group gets slots of two others while clients have keys in them.
	p.refused("group remove 1", "still owns slots")
	p.refused("group add --nodes n1,n9", "no node")
	p.ok("group add --nodes n1,n2,n3", "group 4 is added on n1, n2, n3")
	if g := other.groups()[4]; len(g.Replicas) != 3 || g.Count != 0 {
		t.Errorf("group 4: %+v", g)
	}
	for i := range 100 {
		if _, err := client.Must("SET", fmt.Sprint("key:", i), fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	owner := p.groups()
	first, second := owner[1].Slots[0], owner[2].Slots[0]
	order := fmt.Sprintf("slots move --slots %d-%d,%d --to 4", first.From(), first.To(), second.From())
	p.refused(strings.Replace(order, "--to 4", "--to 9", 1), "no group 9")
	p.ok(order, fmt.Sprintf("%d slots moved to group 4", first.Len()+1))
	other.ok(order, "nothing to do: group 4 owns these slots")
	if g := other.groups()[4]; g.Count != first.Len()+1 {
		t.Errorf("group 4: %+v", g)
	}
	for i := range 100 {
		if reply, err := client.Must("GET", fmt.Sprint("key:", i)); err != nil || string(reply.Str) != fmt.Sprint(i) {
			t.Fatalf("key:%d is %q, %v", i, reply.Str, err)
		}
	}
	p.ok("group remove 1", "group 1 is removed")
	other.ok("group remove 1", "removed before")
	p.refused("group remove 77", "no group 77")
}

// A migration that hangs can be seen, is in the way of others, and can be canceled.
func TestMigrationsListAndCancel(t *testing.T) {
	c := cluster.Start(t, cluster.Options{Groups: 3, Flags: []string{"--failpoint=freeze"}})
	p := person{t, c.At("n2").HTTP}
	p.ok("balance off", "off")
	var moved struct {
		Migrations []struct {
			shard.Migration
			State string
		}
	}
	p.json("slots move --slots 0-99 --to 2 --reason because --wait=false", &moved)
	if len(moved.Migrations) != 1 || moved.Migrations[0].From != 1 || moved.Migrations[0].State != "under way" {
		t.Fatalf("migrations: %+v", moved.Migrations)
	}
	epoch := moved.Migrations[0].Epoch
	p.ok("migrations", fmt.Sprintf("migration %d: slots 0-99 from group 1 to group 2 (because)", epoch))
	p.json("slots move --slots 0-99 --to 2 --wait=false", &moved) // again
	if len(moved.Migrations) != 1 || moved.Migrations[0].Epoch != epoch {
		t.Errorf("the same order began %+v", moved.Migrations)
	}
	p.refused("slots move --slots 50 --to 3", fmt.Sprint("moved by migration ", epoch))
	p.refused("group remove 2", fmt.Sprint("migration ", epoch))
	p.refused("migrations cancel 1000000", "there is no migration 1000000")
	p.refused("migrations cancel 0", "there was no migration 0")
	p.refused("migrations cancel 1", "there was no migration 1")
	p.ok(fmt.Sprint("migrations cancel ", epoch), "is being undone")
	var migrations []shard.Migration
	p.json("migrations list", &migrations)
	if len(migrations) != 1 || !migrations[0].Canceled {
		t.Fatalf("migrations: %+v", migrations)
	}
	p.ok(fmt.Sprint("migrations cancel ", epoch), "already")
	p.refused("slots move --slots 0-99 --to 2", "is being undone")
	for _, id := range c.IDs() { // its driver may go on
		if err := os.WriteFile(filepath.Join(c.At(id).Dir, "failpoint.go"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c.Eventually("the migration undone", func() error {
		if p.json("migrations list", &migrations); len(migrations) > 0 {
			return fmt.Errorf("%+v", migrations)
		}
		return nil
	})
	if g := p.groups()[1]; g.Count != 5461 || g.Slots[0].From() != 0 {
		t.Errorf("group 1: %+v", g)
	}
	p.refused(fmt.Sprint("migrations cancel ", epoch), "is over; move the slots back")
}

// An emptied node that still runs would join again; when it is dead it can go.
func TestNodeLeaves(t *testing.T) {
	c := cluster.Start(t, cluster.Options{Nodes: 4, Groups: 2})
	p := person{t, c.At("n1").HTTP}
	p.ok("node drain n4 --wait", "n4 is empty")
	if n := p.nodes()["n4"]; n.Replicas > 0 || n.Leads > 0 || n.Group0 == "votes" || n.Group0 == "leads" {
		t.Errorf("the empty node has %+v", n)
	}
	p.refused("node remove n4", "still runs")
	if err := c.Kill("n4"); err != nil {
		t.Fatal(err)
	}
	p.ok("node remove n4", "n4 is removed")
	p.ok("node remove n4", "no node n4 to remove")
	c.Eventually("n4 gone from raft too", func() error {
		status, err := c.Status()
		if err != nil {
			return err
		}
		for _, g := range status.Groups {
			if len(g.Replicas) != 3 {
				return fmt.Errorf("group %d: %+v", g.ID, g.Replicas)
			}
		}
		return nil
	})
	if _, there := p.nodes()["n4"]; there {
		t.Error("n4 is listed")
	}
}
