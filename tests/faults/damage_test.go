package faults

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"raftkv/kv"
	"raftkv/kv/launch"
	"raftkv/tests/cluster"
)

// flip inverts a bit of a file.
func flip(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x10
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
}

// flipAll inverts a bit of every copy of text in a file; bbolt leaves old pages
// behind.
func flipAll(t *testing.T, path, text string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for at := 0; ; found++ {
		i := strings.Index(string(b[at:]), text)
		if i < 0 {
			break
		}
		flip(t, path, int64(at+i+3))
		at += i + 1
	}
	if found == 0 {
		t.Fatalf("%s does not hold %q", path, text)
	}
}

func match(t *testing.T, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	// A snapshot that was not finished is removed at the next start.
	files = slices.DeleteFunc(files, func(f string) bool { return strings.Contains(f, ".tmp"+string(filepath.Separator)) })
	if err != nil || len(files) == 0 {
		t.Fatalf("no file %s (%v)", pattern, err)
	}
	return files[len(files)-1]
}

// damages are ways to spoil a replica's files. Each returns the path that the
// node must name.
func damages(store string) map[string]func(t *testing.T, group string) string {
	log := "wal/*.wal"
	if store == "boltdb" {
		log = "log.db"
	}
	return map[string]func(t *testing.T, group string) string{
		"flipped bit in the log": func(t *testing.T, group string) string {
			path := match(t, filepath.Join(group, log))
			flipAll(t, path, "marked-value-7")
			return group
		},
		"truncated log": func(t *testing.T, group string) string {
			path := match(t, filepath.Join(group, log))
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(path, min(info.Size()/2, 8192)); err != nil {
				t.Fatal(err)
			}
			return group
		},
		"flipped bit in the snapshot": func(t *testing.T, group string) string {
			path := match(t, filepath.Join(group, "snapshots", "*", "state.snap"))
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			flip(t, path, info.Size()/2)
			return path
		},
		"truncated snapshot": func(t *testing.T, group string) string {
			path := match(t, filepath.Join(group, "snapshots", "*", "state.snap"))
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(path, info.Size()-10); err != nil {
				t.Fatal(err)
			}
			return path
		},
		"lost snapshot": func(t *testing.T, group string) string {
			if err := os.RemoveAll(filepath.Join(group, "snapshots")); err != nil {
				t.Fatal(err)
			}
			return group
		},
		"damaged votes": func(t *testing.T, group string) string {
			path := filepath.Join(group, "raft.db")
			if err := os.Truncate(path, 5000); err != nil {
				t.Fatal(err)
			}
			return path
		},
	}
}

// fillForDamage writes keys, and enough that the log was compacted.
func fillForDamage(t *testing.T, c *cluster.Cluster, client *cluster.Client) {
	t.Helper()
	for i := range 20 {
		if _, err := client.Must("SET", fmt.Sprintf("k:%d", i), fmt.Sprintf("marked-value-%d", i)); err != nil {
			t.Fatal(err)
		}
	}
}

// A damaged follower says which file is damaged, serves nothing from it, and
// gets the data again from the leader.
func TestDamagedFollowerRecovers(t *testing.T) {
	for _, store := range stores {
		c := cluster.Start(t, cluster.Options{Flags: []string{"--log-store=" + store, "--replay-budget=1ms"}})
		client := c.Client()
		defer client.Close()
		big := strings.Repeat("x", 200<<10)
		for name, damage := range damages(store) {
			t.Run(store+" "+name, func(t *testing.T) {
				victim := c.Followers()[0]
				// A log that begins behind the first entry, so that it needs its snapshot.
				i := 0
				c.Eventually("a snapshot and a compacted log", func() error {
					i++
					client.Must("SET", "big", fmt.Sprint(big, i))
					r, err := replica(c, victim)
					if err == nil && (r.Snapshot.Index == 0 || r.First < 2) {
						err = fmt.Errorf("snapshot at %d, log from %d", r.Snapshot.Index, r.First)
					}
					return err
				})
				fillForDamage(t, c, client)
				caughtUp := func() {
					c.Eventually("a follower that has it all", func() error {
						r, err := replica(c, victim)
						l, err2 := replica(c, c.Leader())
						if err := errors.Join(err, err2); err != nil {
							return err
						}
						if r.Last < l.Last {
							return errors.New("it lags")
						}
						return nil
					})
				}
				caughtUp()
				// Damage in the very last append cannot be told from a torn write, and a
				// follower that lagged may have got all of the above in one.
				if _, err := client.Must("SET", "later", "1"); err != nil {
					t.Fatal(err)
				}
				caughtUp()
				if err := c.Kill(victim); err != nil {
					t.Fatal(err)
				}
				node := c.At(victim)
				named := damage(t, filepath.Join(node.Dir, "groups", "1"))
				c.StartAll()
				log, err := os.ReadFile(filepath.Join(node.Dir, "log", "node.jsonl"))
				if err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(string(log), "damaged files") || !strings.Contains(string(log), named) {
					t.Errorf("the log does not tell of damage in %s", named)
				}
				if aside, _ := filepath.Glob(filepath.Join(node.Dir, "groups", "1.damaged-*")); len(aside) == 0 {
					t.Error("the damaged folder was not set aside")
				}
				c.Eventually("the follower's data", func() error {
					conn, err := cluster.Dial(node.Redis)
					if err != nil {
						return err
					}
					defer conn.Close()
					if _, err := conn.Do("READONLY"); err != nil {
						return err
					}
					for i := range 20 {
						reply, err := conn.Do("GET", fmt.Sprintf("k:%d", i))
						if want := fmt.Sprintf("marked-value-%d", i); err != nil || string(reply.Str) != want {
							return fmt.Errorf("k:%d is %q, %v", i, reply.Str, err)
						}
					}
					return nil
				})
			})
		}
	}
}

// A node that has nobody to get the data from refuses to start, and names the
// file.
func TestDamagedLonelyNodeRefusesToStart(t *testing.T) {
	for _, store := range stores {
		t.Run(store, func(t *testing.T) {
			c := cluster.Start(t, cluster.Options{Nodes: 1, Flags: []string{"--log-store=" + store}})
			client := c.Client()
			defer client.Close()
			fillForDamage(t, c, client)
			if err := c.Kill("n1"); err != nil {
				t.Fatal(err)
			}
			named := damages(store)["flipped bit in the log"](t, filepath.Join(c.At("n1").Dir, "groups", "1"))
			p := c.Launch("n1")
			c.Eventually("the node's end", func() error {
				select {
				case <-p.Done():
					return nil
				default:
					return errors.New("it runs")
				}
			})
			if err := p.Err(); err == nil {
				t.Fatal("it ended well")
			}
			n1 := c.At("n1")
			if said := n1.Complaint(); !strings.Contains(said, "damaged") || !strings.Contains(said, named) {
				t.Errorf("it said %q, which does not name %s", said, named)
			}
			if n1.State() != launch.Dead {
				t.Error("it runs")
			}
		})
	}
}

// A node that lost its whole folder comes back as a new replica under its old
// name, and another node cannot take the name of one that lives.
func TestWipedNodeRejoins(t *testing.T) {
	c := cluster.Start(t, cluster.Options{})
	client := c.Client()
	defer client.Close()
	fillForDamage(t, c, client)
	victim := c.At("n1") // the one that began the cluster must not begin another
	before, err := replica(c, "n1")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Kill("n1"); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(victim.Dir); err != nil {
		t.Fatal(err)
	}
	c.StartAll()
	c.Eventually("three replicas, a new one on n1", func() error {
		after, err := replica(c, "n1")
		if err != nil {
			return err
		}
		status, err := c.Status()
		if err != nil {
			return err
		}
		for _, id := range []uint32{0, 1} {
			g, err := cluster.GroupIn(status, id)
			if err != nil || len(g.Replicas) != 3 {
				return fmt.Errorf("group %d: %+v, %v", id, g.Replicas, err)
			}
		}
		if after.Replica == before.Replica || after.Role != kv.RoleFollower && after.Role != kv.RoleLeader {
			return fmt.Errorf("it was %s, now it is %+v", before.Replica, after)
		}
		return nil
	})
	for i := range 20 {
		reply, err := client.Must("GET", fmt.Sprintf("k:%d", i))
		if want := fmt.Sprintf("marked-value-%d", i); err != nil || string(reply.Str) != want {
			t.Fatalf("k:%d is %q, %v", i, reply.Str, err)
		}
	}
}
