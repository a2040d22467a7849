package faults

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"raftkv/kv"
	"raftkv/tests/cluster"
)

// follower returns a node that does not lead.
func (b broken) follower() string {
	b.t.Helper()
	return b.Followers()[0]
}

// Each fault of a disk does what it says to a real process, and nothing that was
// acknowledged is lost by it.
func TestFaultsOfDisks(t *testing.T) {
	t.Parallel()
	b := startBreakable(t, cluster.Options{Flags: []string{"--hang-timeout=500ms"}})
	written := b.write("disk", 60)

	b.part("slow fsync", func(b broken) {
		b.slow("slow-fsync "+b.Leader()+" 80ms", 80*time.Millisecond, "SET", "x", "1")
	})
	b.part("full", func(b broken) {
		client := b.Client()
		defer client.Close()
		b.fault("full " + b.Leader())
		b.Eventually("a refusal", func() error {
			// Another key: x stays as it was.
			if reply, err := client.Must("SET", "{x}full", "2"); err != nil || string(reply.Str) != string(kv.ErrDiskFull) {
				return fmt.Errorf("%s %v", reply.Str, err)
			}
			return nil
		})
		if reply, err := client.Must("GET", "x"); err != nil || string(reply.Str) != "1" {
			b.t.Errorf("a read while the disk is full: %s, %v", reply.Str, err)
		}
		b.fault("heal")
		b.Eventually("a write", func() error {
			if reply, err := client.Must("SET", "x", "3"); err != nil || reply.Kind == kv.Error {
				return fmt.Errorf("%s %v", reply.Str, err)
			}
			return nil
		})
	})
	for _, fault := range []struct{ line, complaint string }{
		{"hang-fsync", "has not answered"},
		{"fail-fsync", "input/output error"},
	} {
		b.part(fault.line, func(b broken) {
			victim := b.Leader()
			b.fault(fault.line + " " + victim)
			l := startLoad(b.Cluster, 2)
			b.logged(victim, `"msg":"the replica stops"`, fault.complaint)
			b.fault("heal") // a disk that hangs would let the node take 10 s to end
			b.ended(victim)
			n := b.At(victim)
			if said := n.Complaint(); !strings.Contains(said, fault.complaint) {
				b.t.Errorf("it said %q", said)
			}
			l.more(b.t, 50) // another one leads
			b.StartAll()
			l.more(b.t, 50)
			b.holds(l.finish())
		})
	}
	for _, fault := range []string{"torn-write", "lost-write"} {
		b.part(fault, func(b broken) {
			victim := b.Leader()
			l := startLoad(b.Cluster, 2)
			l.more(b.t, 20)
			b.fault(fault + " " + victim + " 1")
			b.ended(victim)
			b.logged(victim, "a fault ends", fault+" "+victim, "the process ends in its write")
			b.StartAll()
			l.more(b.t, 50)
			b.holds(l.finish())
		})
	}
	b.part("flipped bits", func(b broken) {
		victim := b.follower()
		b.snapshot(victim)
		b.write("more", 5) // a log behind the snapshot
		if said := b.fault("flip-log " + victim + " 1"); !strings.Contains(said, "of byte") {
			b.t.Errorf("it does not say where: %s", said)
		}
		b.foundDamage(victim, "/1/", 1)
		b.snapshot(victim)
		b.fault("flip-snapshot " + victim + " 1")
		b.foundDamage(victim, "state.snap", 2)
	})
	b.holds(written)
}

// foundDamage restarts a node and waits until it has set a replica aside, as the
// count-th one, and has all data again.
func (b broken) foundDamage(node, file string, count int) {
	b.t.Helper()
	b.fault("restart " + node)
	b.logged(node, `"level":"error"`, "damaged files", file)
	b.Eventually("the damaged replica to be set aside", func() error {
		aside, err := filepath.Glob(filepath.Join(b.At(node).Dir, "groups", "1.damaged-*"))
		if err != nil || len(aside) != count {
			return fmt.Errorf("%v, %v", aside, err)
		}
		return nil
	})
	b.Eventually("a whole replica", func() error {
		r, err := replica(b.Cluster, node)
		if err == nil && (r.Role == kv.RoleUnknown || r.Keys == 0) {
			err = fmt.Errorf("%+v", r)
		}
		return err
	})
}

// A clock that is wrong, on a follower, changes nothing; on a leader, keys that are
// written from then on still live as long as they should.
func TestFaultsOfClocks(t *testing.T) {
	t.Parallel()
	b := startBreakable(t, cluster.Options{})
	client := b.Client()
	defer client.Close()
	left := func(key string) time.Duration {
		t.Helper()
		reply, err := client.Must("PTTL", key)
		if err != nil || reply.Kind == kv.Error {
			t.Fatalf("PTTL: %s, %v", reply.Str, err)
		}
		return time.Duration(reply.Int) * time.Millisecond
	}
	set := func(key string) {
		t.Helper()
		if reply, err := client.Must("SET", key, "1", "EX", "1000"); err != nil || reply.Kind == kv.Error {
			t.Fatalf("SET: %s, %v", reply.Str, err)
		}
	}
	lives := func(key, when string) {
		t.Helper()
		if d := left(key); d < 900*time.Second || d > 1000*time.Second {
			t.Errorf("%s: the key %s is to live for %v", when, key, d)
		}
	}
	off := func(node string) time.Duration {
		t.Helper()
		conn, err := cluster.Dial(b.At(node).Redis)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		reply, err := conn.Do("TIME")
		if err != nil || len(reply.Elems) != 2 {
			t.Fatal(reply, err)
		}
		seconds, err := strconv.ParseInt(string(reply.Elems[0].Str), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return time.Until(time.Unix(seconds, 0))
	}
	set("old")
	b.part("on followers", func(b broken) {
		for _, node := range b.Followers() {
			b.fault("clock " + node + " +1h")
			if d := off(node); d < 59*time.Minute {
				b.t.Errorf("the clock of %s is off by %v", node, d)
			}
		}
		set("new")
		lives("old", "followers an hour ahead")
		lives("new", "followers an hour ahead")
		b.fault("heal")
		b.fault("clock-jumps " + b.follower() + " 1h every 10ms")
		lives("new", "a follower's clock jumps")
	})
	b.part("on the leader, back", func(b broken) {
		leader := b.Leader()
		b.fault("clock " + leader + " --for 30s -- -1h")
		if d := off(leader); d > -59*time.Minute {
			b.t.Errorf("the clock of %s is off by %v", leader, d)
		}
		set("behind")
		lives("old", "the leader an hour behind")
		lives("behind", "the leader an hour behind")
	})
	if d := off(b.Leader()); d.Abs() > time.Minute {
		t.Errorf("after all the leader's clock is off by %v", d)
	}
}

// snapshot has a node take a snapshot of group 1, and waits until it is whole.
func (b broken) snapshot(node string) {
	b.t.Helper()
	b.fault("snapshot-storm 1 --for 100ms")
	b.Eventually("a snapshot", func() error {
		// One that is being written has another name.
		files, err := filepath.Glob(filepath.Join(b.At(node).Dir, "groups", "1", "snapshots", "*[0-9]", "state.snap"))
		if err != nil || len(files) == 0 {
			return fmt.Errorf("there is none, %v", err)
		}
		return nil
	})
}
