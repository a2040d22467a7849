package faults

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"raftkv/kv"
	"raftkv/kv/launch"
	"raftkv/tests/cluster"
)

// disks lets a test make the disk of one node fail.
type disks struct {
	t   *testing.T
	dir string
}

func (d disks) flag() string { return "--disk-faults=" + filepath.Join(d.dir, "faults") }

// set replaces what all nodes' disks do; the nodes read it at each write.
func (d disks) set(lines ...string) {
	d.t.Helper()
	path := filepath.Join(d.dir, "faults")
	if err := os.WriteFile(path+".tmp", []byte(strings.Join(lines, "\n")), 0o644); err != nil {
		d.t.Fatal(err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		d.t.Fatal(err)
	}
}

// A nearly full disk refuses writes definitely, reads go on, and writes resume by
// themselves when there is room.
func TestDiskFull(t *testing.T) {
	for _, store := range stores {
		t.Run(store, func(t *testing.T) {
			d := disks{t, t.TempDir()}
			d.set()
			c := cluster.Start(t, cluster.Options{Flags: []string{d.flag(), "--min-free=64mb", "--log-store=" + store}})
			client := c.Client()
			defer client.Close()
			if _, err := client.Must("SET", "x", "1"); err != nil {
				t.Fatal(err)
			}
			d.set("free 40000000") // below the mark, and enough for what raft must write
			c.Eventually("a refusal", func() error {
				reply, err := client.Must("SET", "x", "2")
				if err != nil || string(reply.Str) != string(kv.ErrDiskFull) {
					return fmt.Errorf("%s %v", reply.Str, err)
				}
				return nil
			})
			reply, err := client.Must("GET", "x")
			if err != nil || reply.Kind == kv.Error {
				t.Fatalf("a read with a full disk: %s, %v", reply.Str, err)
			}
			d.set()
			c.Eventually("a write", func() error {
				if reply, err := client.Must("SET", "x", "3"); err != nil || reply.Kind == kv.Error {
					return fmt.Errorf("%s %v", reply.Str, err)
				}
				return nil
			})
			for _, n := range c.IDs() {
				if s := c.At(n); s.State() != launch.Running {
					t.Errorf("%s did not survive a full disk: %s", n, s.Complaint())
				}
			}
		})
	}
}

// A failed or hung fsync ends its node, with a clear message, and another one
// leads: what was not written is never acknowledged.
func TestDiskFailsOrHangs(t *testing.T) {
	for _, store := range stores {
		for _, fault := range []string{"fail", "hang"} {
			t.Run(store+" "+fault, func(t *testing.T) {
				bad := disks{t, t.TempDir()}
				bad.set()
				c := cluster.New(t, cluster.Options{Flags: []string{"--log-store=" + store}})
				// The first node gets the disk, and the leadership of the new cluster.
				if err := c.SetFlagsOf("n1", []string{"--min-free=1mb", "--log-store=" + store, bad.flag(), "--hang-timeout=500ms"}); err != nil {
					t.Fatal(err)
				}
				c.StartAll()
				if leader := c.Leader(); leader != "n1" {
					t.Fatalf("%s leads a new cluster, not the node that began it", leader)
				}
				l := startLoad(c, 4)
				l.more(t, 100)
				bad.set(fault + " append")
				c.Eventually("the node's end", func() error {
					if n := c.At("n1"); n.State() != launch.Dead {
						return errors.New("it runs")
					}
					return nil
				})
				n1 := c.At("n1")
				want := map[string]string{"fail": "input/output error", "hang": "has not answered"}[fault]
				if said := n1.Complaint(); !strings.Contains(said, want) {
					t.Errorf("it said %q, want %q", said, want)
				}
				l.more(t, 100) // another node leads
				bad.set()
				c.StartAll()
				l.more(t, 100)
				checkAll(t, c, l.finish())
			})
		}
	}
}
