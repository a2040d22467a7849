package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"raftkv/kv"
	"raftkv/kv/group"
	"raftkv/shard"
	"raftkv/tests/cluster"
)

// A node whose faults are not enabled cannot be broken, by whatever way.
func TestFaultsMustBeEnabled(t *testing.T) {
	c := newNodes(t)
	n := c.open(1, t.TempDir())
	refusedBy := func(what string, err error) {
		t.Helper()
		if reply, ok := err.(kv.ReplyError); !ok || reply.Code() != "ERR" || !strings.Contains(err.Error(), "--enable-faults") {
			t.Errorf("%s: %v", what, err)
		}
	}
	ctx := t.Context()
	_, err := n.Fault(ctx, "drop 1%", false)
	refusedBy("an order", err)
	_, err = n.Heal(ctx, "")
	refusedBy("heal", err)
	_, err = n.Faults(ctx)
	refusedBy("a list", err)
	_, err = redisFaults{n}.Order(ctx, []string{"drop", "1%"})
	refusedBy("RAFTKV.FAULT", err)
	_, err = n.transport.Control(ctx, n.config.Peer, callFault, []byte(`{"id":"a","fault":"drop 1%"}`))
	refusedBy("a call of another node", err)
	if n.transportOptions().Wrap != nil || n.diskFaults(1) != nil {
		t.Error("faults stand around what is not to be broken")
	}
	if s := n.Status(ctx); s.Faults == nil || len(s.Faults) != 0 {
		t.Errorf("the status has %+v", s.Faults)
	}
}

func TestFaultOrders(t *testing.T) {
	c := newNodes(t)
	c.edit = func(config *Config) { config.Faults = true }
	n := c.open(1, t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for line, says := range map[string]string{
		"explode":          "there is no fault",
		"cut n1 n2":        "there is no node \"n2\"",
		"kill n1":          "raftkv fault kill n1",
		"flip-log n1 9":    "no replica of that group",
		"flip-snapshot n1": "no snapshot yet",
	} {
		if st, err := n.Fault(ctx, line, false); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %+v, %v", line, st, err)
		}
	}
	if _, err := n.Fault(ctx, "drop 1%", true); err == nil {
		t.Error("a fault is noted that nobody but the nodes can carry out")
	}
	st, err := n.Fault(ctx, "clock n1 +1h for 1h", false)
	if err != nil || st.ID == "" || st.UntilMS-st.StartedMS != time.Hour.Milliseconds() || fmt.Sprint(st.Nodes) != "[n1]" {
		t.Fatalf("%+v, %v", st, err)
	}
	if d := time.Until(n.now()); d < 59*time.Minute {
		t.Errorf("the clock is off by %v", d)
	}
	if noted, err := n.Fault(ctx, "kill n1", true); err != nil || len(n.Status(ctx).Faults) != 2 {
		t.Errorf("noted: %+v, %v", noted, err)
	}
	if healed, err := n.Heal(ctx, st.ID); err != nil || len(healed) != 1 {
		t.Errorf("healed %q, %v", healed, err)
	}
	if _, err := n.Heal(ctx, st.ID); err == nil {
		t.Error("what is over was healed")
	}
	r := redisFaults{n}
	for _, step := range []struct{ words, says string }{
		{"LIST", "kill n1"}, {"HEAL", "[kill n1]"}, {"List", "[]"}, {"DROP 1% FOR 1m SEED 3", "drop 1% for 1m seed 3"}, {"heal", "drop"},
	} {
		if lines, err := r.Order(ctx, strings.Fields(step.words)); err != nil || !strings.Contains(fmt.Sprint(lines), step.says) {
			t.Errorf("RAFTKV.FAULT %s: %q, %v", step.words, lines, err)
		}
	}
}

// A node that has just started has no map of the cluster yet, only addresses of peers.
// Whoever asks it to heal means all nodes.
func TestNodeWithoutMapHealsAll(t *testing.T) {
	c := newNodes(t)
	c.edit = func(config *Config) { config.Faults = true }
	n1, n2 := c.open(1, t.TempDir()), c.open(2, t.TempDir())
	cluster.Eventually(t, "two voters of group 0", func() error {
		if m := n1.shardMap().Group(shard.Controller); len(m.Replicas) != 2 || !m.Replicas[1].Voter {
			return fmt.Errorf("there are %+v", m.Replicas)
		}
		return nil
	})
	if err := n2.Close(); err != nil { // nobody can record another node from now on
		t.Fatal(err)
	}
	delete(c.all, n2.ID())
	if _, err := n1.Fault(t.Context(), "drop 1%", false); err != nil {
		t.Fatal(err)
	}
	n3 := c.start(3, t.TempDir())
	cluster.Eventually(t, "a fault that is known to the new node", func() error {
		if len(n3.faults.List()) == 0 {
			return errors.New("there is none")
		}
		return nil
	})
	if _, err := n3.Fault(t.Context(), "drop 2%", false); err == nil || !strings.Contains(err.Error(), "try again") {
		t.Errorf("a fault by a node that does not know the cluster: %v", err)
	}
	if healed, err := n3.Heal(t.Context(), ""); err != nil || len(healed) != 1 {
		t.Errorf("healed %q, %v", healed, err)
	}
	if left := append(n1.faults.List(), n3.faults.List()...); len(left) != 0 {
		t.Errorf("there are still %+v", left)
	}
}

// A follower that answers no more is handed nothing, long before it counts as dead:
// the group would stand still until raft gives up waiting for it.
func TestSilentFollowerIsHandedNothing(t *testing.T) {
	c := newNodes(t)
	c.edit = func(config *Config) { config.Faults = true }
	for i := range 3 {
		c.open(i+1, t.TempDir())
	}
	c.voters("n1", "n2", "n3")
	cluster.Eventually(t, "a refusal of who is silent", func() error {
		for id, leader := range c.all {
			g := leader.group(1)
			if g == nil || !g.Serving() {
				continue
			}
			victim := "n1"
			if id == victim {
				victim = "n2"
			}
			fault, err := leader.Fault(t.Context(), "isolate "+victim, false)
			if err != nil {
				return err
			}
			defer leader.Heal(t.Context(), fault.ID)
			replica := leader.shardMap().Group(1).On(victim).ID
			term := g.Term()
			cluster.Eventually(t, "silence", func() error {
				if g.Term() == term && time.Since(g.Heard(replica)) < 2*group.Timings["local"].Heartbeat {
					return errors.New("it was heard of a moment ago")
				}
				return nil
			})
			err = leader.handGroup(leadOrder{Group: 1, Node: victim})
			switch {
			case g.Term() != term:
				return fmt.Errorf("%s leads in term %d no more: %v", id, term, err) // a busy machine; or the very defect
			case err == nil || !strings.Contains(err.Error(), "has not answered for"):
				return fmt.Errorf("%s is handed the group: %v", victim, err)
			}
			return nil
		}
		return errors.New("nobody leads")
	})
}
