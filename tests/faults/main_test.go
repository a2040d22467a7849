// Package faults shows that nothing acknowledged is lost and nothing stale is
// read when processes die, hang and lose their disks.
package faults

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"raftkv/kv"
	"raftkv/tests/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m) }

// load writes keys of its own from several clients until it is stopped, and
// remembers which writes were acknowledged.
type load struct {
	c       *cluster.Cluster
	stop    atomic.Bool
	acked   atomic.Int64
	mu      sync.Mutex
	written map[string]string
	clients sync.WaitGroup
}

func startLoad(c *cluster.Cluster, clients int) *load {
	l := &load{c: c, written: make(map[string]string)}
	for id := range clients {
		l.clients.Go(func() {
			client := c.Client()
			defer client.Close()
			for i := 0; !l.stop.Load(); i++ {
				key, value := fmt.Sprintf("load:%d:%d", id, i), fmt.Sprintf("value-%d-%d", id, i)
				reply, outcome := client.Do("SET", key, value)
				if outcome != cluster.Done {
					continue
				}
				if reply.Kind == kv.Error {
					panic(fmt.Sprintf("SET: %s", reply.Str))
				}
				l.mu.Lock()
				l.written[key] = value
				l.mu.Unlock()
				l.acked.Add(1)
			}
		})
	}
	return l
}

// more waits until n more writes were acknowledged.
func (l *load) more(t *testing.T, n int64) {
	t.Helper()
	goal := l.acked.Load() + n
	cluster.Eventually(t, "acknowledged writes", func() error {
		if got := l.acked.Load(); got < goal {
			return fmt.Errorf("%d of %d", got, goal)
		}
		return nil
	})
}

// finish stops the load and returns what was acknowledged.
func (l *load) finish() map[string]string {
	l.stop.Store(true)
	l.clients.Wait()
	return l.written
}

// checkAll reads all that was acknowledged.
func checkAll(t *testing.T, c *cluster.Cluster, written map[string]string) {
	t.Helper()
	client := c.Client()
	defer client.Close()
	lost := 0
	for key, value := range written {
		reply, err := client.Must("GET", key)
		if err != nil {
			t.Fatal(err)
		}
		if string(reply.Str) != value {
			lost++
			if lost < 5 {
				t.Errorf("acknowledged %s=%s, read %q", key, value, reply.Str)
			}
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d acknowledged writes are lost", lost, len(written))
	}
	if len(written) == 0 {
		t.Error("nothing was acknowledged: the test proves nothing")
	}
}
