package faults

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"raftkv/kv"
	"raftkv/tests/cluster"
)

// Each fault of links does what it says between real processes, shows where it
// should, and ends.
func TestFaultsOfLinks(t *testing.T) {
	t.Parallel()
	b := startBreakable(t, cluster.Options{})
	written := b.write("before", 20)

	b.part("isolate-leader", func(b broken) {
		old := b.Leader()
		if said := b.fault("isolate-leader 1"); !strings.Contains(said, "isolate "+old) {
			b.t.Errorf("it says %q, %s leads", said, old)
		}
		leader := b.Leader(old) // the others have one
		if leader == old {
			b.t.Fatalf("%s still leads", old)
		}
		alone, err := cluster.Dial(b.At(old).Redis)
		if err != nil {
			b.t.Fatal(err)
		}
		defer alone.Close()
		for _, command := range [][]string{{"GET", "before:1"}, {"SET", "alone", "1"}} {
			b.Eventually("a refusal of the isolated leader", func() error {
				if reply, err := alone.Do(command...); err != nil || reply.Kind != kv.Error {
					return fmt.Errorf("it answers %v: %s, %v", command, reply.Str, err)
				}
				return nil
			})
		}
		status, err := cluster.StatusOf(b.At(leader).HTTP)
		if err != nil || len(status.Faults) != 1 || status.Faults[0].Fault != "isolate "+old || !slices.Contains(status.Faults[0].Nodes, leader) {
			b.t.Errorf("the status has %+v, %v", status.Faults, err)
		}
		b.logged(old, `"topic":"fault"`, "a fault begins", "isolate "+old)
		b.fault("heal") // reaches the node that nothing else reaches
		b.logged(old, "a fault ends", "isolate "+old, "healed")
		b.Eventually("the node to follow again", func() error {
			reply, err := alone.Do("GET", "before:1")
			if err != nil || reply.Kind == kv.Error && kv.ReplyError(reply.Str).Code() != "MOVED" {
				return fmt.Errorf("%s, %v", reply.Str, err)
			}
			return nil
		})
	})
	b.part("for a while", func(b broken) {
		b.fault("cut n1 n2 --for 1s")
		b.logged("n1", "a fault ends", "cut n1 n2 for 1s", "its time is over")
		b.logged("n2", "a fault ends", "cut n1 n2 for 1s", "its time is over")
		b.Eventually("no fault", func() error {
			if active := b.active(); len(active) > 0 {
				return errors.New(strings.Join(active, "; "))
			}
			return nil
		})
		b.sees("n1", "n2", kv.NodeUp)
	})
	b.part("cut", func(b broken) {
		b.fault("cut n1 n2")
		b.sees("n1", "n2", kv.NodeUnreachable)
		b.sees("n2", "n1", kv.NodeUnreachable)
		b.sees("n3", "n1", kv.NodeUp)
		b.sees("n3", "n2", kv.NodeUp)
		if active := b.active(); !slices.Equal(active, []string{"cut n1 n2"}) {
			b.t.Errorf("active are %q", active)
		}
		b.fault("heal")
		b.sees("n1", "n2", kv.NodeUp)
	})
	// The answer to a question goes the other way than the question: neither gets
	// one. What n2 sends by itself still arrives.
	b.part("one-way cut", func(b broken) {
		b.fault("cut n1 n2 one-way")
		b.sees("n1", "n2", kv.NodeUnreachable)
		b.sees("n2", "n1", kv.NodeUnreachable)
	})
	b.part("cut with resets", func(b broken) {
		b.fault("cut n1 n2 reset")
		b.Eventually("a broken connection", func() error {
			s, err := cluster.StatusOf(b.At("n1").HTTP)
			if err != nil {
				return err
			}
			for _, n := range s.Nodes {
				if n.ID == "n2" && strings.Contains(n.Problem, "reset") {
					return nil
				}
			}
			return fmt.Errorf("%+v", s.Nodes)
		})
	})
	b.part("minority", func(b broken) {
		old := b.Leader()
		b.fault("minority 1")
		if leader := b.Leader(old); leader == old {
			b.t.Error("the minority's leader serves")
		}
	})
	b.part("a restarted node", func(b broken) {
		b.fault("cut n1 n2")
		if err := b.Kill("n2"); err != nil {
			b.t.Fatal(err)
		}
		b.Launch("n2")
		b.Eventually("n2 to have the fault again", func() error {
			s, err := cluster.StatusOf(b.At("n2").HTTP)
			if err != nil || len(s.Faults) != 1 || !slices.Contains(s.Faults[0].Nodes, "n2") {
				return fmt.Errorf("%+v, %v", s.Faults, err)
			}
			return nil
		})
		b.fault("heal")
		b.StartAll()
		b.sees("n2", "n1", kv.NodeUp)
	})
	b.part("delay", func(b broken) { b.slow("delay 40ms±5ms", 70*time.Millisecond, "SET", "x", "1") })
	b.part("bandwidth", func(b broken) {
		// Much more, and heartbeats wait for so long that nobody can lead.
		b.slow("bandwidth 200kb/s", 95*time.Millisecond, "SET", "x", strings.Repeat("x", 20<<10))
	})
	b.part("flipped bytes", func(b broken) {
		b.fault("flip 5%")
		l := startLoad(b.Cluster, 2)
		b.Eventually("a flipped bit to be found", func() error {
			var errs []error
			for _, id := range b.IDs() {
				if b.says(id, "was changed on its way") {
					return nil
				}
				errs = append(errs, errors.New(id+" has found none"))
			}
			return errors.Join(errs...)
		})
		b.fault("heal")
		l.more(b.t, 50)
		b.holds(l.finish())
	})
	b.part("dropped connections", func(b broken) {
		b.fault("drop 10%")
		l := startLoad(b.Cluster, 2)
		b.Eventually("a broken connection", func() error {
			for _, id := range b.IDs() {
				if b.says(id, "injected fault: connection reset") {
					return nil
				}
			}
			return errors.New("none")
		})
		b.fault("heal")
		l.more(b.t, 50)
		b.holds(l.finish())
	})
	b.holds(written)
}
