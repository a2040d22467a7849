package moves

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"raftkv/kv"
	"raftkv/shard"
	"raftkv/tests/cluster"
)

// load is what clients keep in the moving slots, and beside them: keys that stay
// as they are, and counters that all clients increment all the time, each
// increment once.
type load struct {
	t        *testing.T // of all clients
	c        *cluster.Cluster
	values   map[string]string
	counters []*counter

	working sync.RWMutex // held for reading during an increment
	stop    chan struct{}
	clients sync.WaitGroup
}

type counter struct {
	key  string
	mu   sync.Mutex
	seen map[int64]string // reply -> who got it
	last []said           // by client
}

// said is the last that a client's session was told.
type said struct{ seq, reply int64 }

const incrementers = 4

// large is how long values in the moving slots are at least, in bytes: many times
// what all else in a group takes, so that its memory tells whether it has them.
const large = 1000

// newLoad writes the keys and starts the clients. They end with the test at the
// latest.
func newLoad(t *testing.T, c *cluster.Cluster) *load {
	t.Helper()
	l := &load{t: t, c: c, values: make(map[string]string), stop: make(chan struct{})}
	client := c.Client()
	defer client.Close()
	for i, key := range append(keysIn(moving, "moves:", 300), keysIn(shard.All, "any:", 200)...) {
		l.values[key] = fmt.Sprintf("value %d of %s", i, key)
		if moving.Contains(shard.Slot([]byte(key))) {
			l.values[key] += strings.Repeat("!", large)
		}
		if _, err := client.Must("SET", key, l.values[key]); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range keysIn(moving, "counter:", 8) {
		l.counters = append(l.counters, &counter{key: key, seen: make(map[int64]string), last: make([]said, incrementers)})
	}
	for id := range incrementers {
		l.clients.Go(func() { l.increment(id) })
	}
	t.Cleanup(l.end)
	return l
}

// end ends the clients. It may be called again.
func (l *load) end() {
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	l.clients.Wait()
}

func session(id int) string { return fmt.Sprint("session-", id) }

// increment increments all counters in turn.
func (l *load) increment(id int) {
	client := l.c.Client()
	defer func() { client.Close() }()
	for turn := id; ; turn++ {
		n := l.counters[turn%len(l.counters)]
		n.mu.Lock()
		seq := n.last[id].seq + 1
		n.mu.Unlock()
		l.working.RLock()
		reply, err := client.Must("RAFTKV.ONCE", n.key, session(id), fmt.Sprint(seq), "INCR", n.key)
		if err != nil || reply.Kind != kv.Int {
			l.working.RUnlock()
			l.t.Errorf("increment %d of %s by client %d: %v %s", seq, n.key, id, err, reply.Str)
			return
		}
		n.mu.Lock()
		me := fmt.Sprintf("client %d, increment %d", id, seq)
		if other, twice := n.seen[reply.Int]; twice {
			l.t.Errorf("%s is told %d by %s, as was %s", me, reply.Int, n.key, other)
		}
		n.seen[reply.Int], n.last[id] = me, said{seq, reply.Int}
		n.mu.Unlock()
		l.working.RUnlock()
		select {
		case <-l.stop:
			return
		default:
		}
	}
}

// count returns how many increments were acknowledged.
func (l *load) count() (sum int) {
	for _, n := range l.counters {
		n.mu.Lock()
		sum += len(n.seen)
		n.mu.Unlock()
	}
	return sum
}

// goesOn waits until clients have done some work from now on.
func (l *load) goesOn(t *testing.T) {
	t.Helper()
	before := l.count()
	cluster.Eventually(t, "clients that go on", func() error {
		if n := l.count() - before; n < 100 {
			return fmt.Errorf("%d increments", n)
		}
		return nil
	})
}

// check sees, while no client works, that owner has the moving slots and every
// slot is served by one group, that everything is as it was acknowledged, and that
// nothing was left behind where it moved away.
func (l *load) check(t *testing.T, owner uint32) {
	t.Helper()
	l.working.Lock()
	defer l.working.Unlock()
	l.checkOwners(t, owner)
	client := l.c.Client()
	defer client.Close()
	for key, want := range l.values {
		if reply, err := client.Must("GET", key); err != nil || string(reply.Str) != want {
			t.Errorf("%s is %q, want %q (%v)", key, reply.Str, want, err)
		}
	}
	for _, n := range l.counters {
		n.mu.Lock()
		last, want := n.last, len(n.seen)
		n.mu.Unlock()
		// What was said last is said again, and does nothing.
		for id, told := range last {
			if told.seq == 0 {
				continue
			}
			again, err := client.Must("RAFTKV.ONCE", n.key, session(id), fmt.Sprint(told.seq), "INCR", n.key)
			if err != nil || again.Int != told.reply {
				t.Errorf("%s tells %s that its increment %d made %d; it was told %d (%v %s)", n.key, session(id), told.seq, again.Int, told.reply, err, again.Str)
			}
		}
		if reply, err := client.Must("GET", n.key); err != nil || want > 0 && string(reply.Str) != fmt.Sprint(want) {
			t.Errorf("%s is %s after %d increments (%v)", n.key, reply.Str, want, err)
		}
	}
}

// checkOwners waits until all nodes have the same view of who owns what, which is
// the right one.
func (l *load) checkOwners(t *testing.T, owner uint32) {
	t.Helper()
	for _, id := range l.c.IDs() {
		node := l.c.At(id)
		cluster.Eventually(t, "owners as they should be on "+id, func() error {
			m := new(shard.Map)
			if err := ask(node.HTTP, http.MethodGet, "/v1/map", "", m); err != nil {
				return err
			}
			if err := settled(m, owner); err != nil {
				return err
			}
			status, err := cluster.StatusOf(node.HTTP)
			if err != nil {
				return err
			}
			return l.compare(m, status)
		})
	}
	for key := range l.values {
		if moving.Contains(shard.Slot([]byte(key))) {
			cluster.Eventually(t, "one node to serve "+key, func() error { return l.oneServes(key) })
			break
		}
	}
}

// compare holds what the groups' own logs say beside the map.
func (l *load) compare(m *shard.Map, status kv.Status) error {
	var served [shard.Slots]uint32
	keys := make(map[uint32]int64)
	for key := range l.values {
		keys[m.Owner[shard.Slot([]byte(key))]]++
	}
	for _, n := range l.counters {
		n.mu.Lock()
		if len(n.seen) > 0 {
			keys[m.Owner[shard.Slot([]byte(n.key))]]++
		}
		n.mu.Unlock()
	}
	for _, g := range status.Groups {
		for slot := range shard.Each(g.Slots) {
			if served[slot] != 0 {
				return fmt.Errorf("slot %d is served by groups %d and %d", slot, served[slot], g.ID)
			}
			served[slot] = g.ID
		}
		for _, r := range g.Replicas {
			if r.Keys != keys[g.ID] && g.ID != shard.Controller {
				return fmt.Errorf("%s of group %d has %d keys; its slots have %d", r.Replica, g.ID, r.Keys, keys[g.ID])
			}
			// Keys of slots that it gave away are not counted; but they take memory.
			if g.ID != m.Owner[moving.From()] && r.Bytes > 100*large {
				return fmt.Errorf("%s of group %d still has %d bytes", r.Replica, g.ID, r.Bytes)
			}
		}
	}
	for slot, group := range served {
		if group != m.Owner[slot] {
			return fmt.Errorf("slot %d is served by group %d; the map says %d", slot, group, m.Owner[slot])
		}
	}
	return nil
}

// oneServes asks all nodes for a key without following redirects.
func (l *load) oneServes(key string) error {
	served := 0
	for _, id := range l.c.IDs() {
		conn, err := cluster.Dial(l.c.At(id).Redis)
		if err != nil {
			return err
		}
		reply, err := conn.Do("GET", key)
		conn.Close()
		switch {
		case err != nil:
			return err
		case reply.Kind != kv.Error:
			served++
		case kv.ReplyError(reply.Str).Code() != "MOVED":
			return fmt.Errorf("%s on %s: %s", key, id, reply.Str)
		}
	}
	if served != 1 {
		return fmt.Errorf("%d nodes serve %s", served, key)
	}
	return nil
}
