package faults

import (
	"fmt"
	"strings"
	"testing"

	"raftkv/kv"
	"raftkv/kv/launch"
	"raftkv/tests/cluster"
)

// Faults of processes do what they say, show in the status of those that are left,
// and are undone after --for or by heal.
func TestFaultsOfProcesses(t *testing.T) {
	t.Parallel()
	b := startBreakable(t, cluster.Options{Groups: 2})
	written := b.write("processes", 40)
	serve := func(b broken) {
		b.t.Helper()
		for _, id := range b.IDs() {
			n := b.At(id)
			if s := n.State(); s != launch.Running {
				b.t.Errorf("%s is %s", id, s)
			}
			b.Eventually(id+" to serve", func() error { return n.Ready(b.t.Context()) })
		}
		b.holds(written)
	}
	b.part("pause", func(b broken) {
		b.fault("pause n2")
		if n := b.At("n2"); n.State() != launch.Paused {
			b.t.Errorf("n2 is %s", n.State())
		}
		if active := b.active(); len(active) != 1 || active[0] != "pause n2" {
			b.t.Errorf("active are %q", active)
		}
		b.logged("n1", "a fault begins", "pause n2")
		b.fault("heal")
		b.logged("n1", "a fault ends", "pause n2")
		serve(b)
	})
	b.part("kill for a while", func(b broken) {
		before := b.At("n1").PID
		b.fault("kill n1 --for 200ms")
		if b.At("n1").PID == before {
			b.t.Error("it is the same process")
		}
		if active := b.active(); len(active) != 0 {
			b.t.Errorf("active are %q", active)
		}
		serve(b)
	})
	b.part("kill", func(b broken) {
		b.fault("kill n3")
		if n := b.At("n3"); n.State() != launch.Dead {
			b.t.Errorf("n3 is %s", n.State())
		}
		b.fault("heal")
		serve(b)
	})
	b.part("rolling restart", func(b broken) {
		said := b.fault("rolling-restart")
		if !strings.Contains(said, "n1, n2, n3 serve again") {
			b.t.Errorf("it says %q", said)
		}
		serve(b)
	})
	b.part("wipe", func(b broken) {
		before, err := replica(b.Cluster, "n2")
		if err != nil {
			b.t.Fatal(err)
		}
		b.fault("wipe n2 --for 100ms")
		b.Eventually("a new replica", func() error {
			after, err := replica(b.Cluster, "n2")
			if err != nil || after.Replica == before.Replica || after.Role == kv.RoleUnknown {
				return fmt.Errorf("it was %s, now it is %+v, %v", before.Replica, after, err)
			}
			return nil
		})
		serve(b)
	})
	b.part("kill-all", func(b broken) {
		b.fault("kill-all --for 100ms")
		serve(b)
	})
	b.part("transfer-storm", func(b broken) {
		term := func() uint64 {
			s, err := b.Status()
			if err != nil {
				b.t.Fatal(err)
			}
			g, err := cluster.GroupIn(s, 1)
			if err != nil {
				b.t.Fatal(err)
			}
			return g.Term
		}
		before := term()
		b.fault("transfer-storm 1 every 100ms")
		b.Eventually("three new terms", func() error {
			if now := term(); now < before+3 {
				return fmt.Errorf("term %d after %d", now, before)
			}
			return nil
		})
	})
	b.part("snapshot-storm", func(b broken) {
		b.write("storm", 5)
		b.fault("snapshot-storm every 100ms")
		for _, id := range b.IDs() {
			b.Eventually("a snapshot on "+id, func() error {
				if r, err := replica(b.Cluster, id); err != nil || r.Snapshot.Index == 0 {
					return fmt.Errorf("%+v, %v", r, err)
				}
				return nil
			})
		}
	})
	b.part("migration-storm", func(b broken) {
		s, err := b.Status()
		if err != nil {
			b.t.Fatal(err)
		}
		b.fault("migration-storm every 100ms")
		b.Eventually("three migrations", func() error {
			now, err := b.Status()
			if err != nil || now.Epoch < s.Epoch+6 { // each has a beginning and an end
				return fmt.Errorf("epoch %d after %d, %v", now.Epoch, s.Epoch, err)
			}
			return nil
		})
		b.fault("heal")
		serve(b)
	})
}
