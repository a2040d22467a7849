package netns

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"raftkv/kv"
	"raftkv/tests/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m) }

// TestHosts runs one cluster on three hosts, breaks their network in several ways,
// by the kernel and by `raftkv fault`, and wants both to show the same.
func TestHosts(t *testing.T) {
	if why := missing(); why != "" {
		t.Skip("NOT TRIED, a cluster on hosts of its own: " + why)
	}
	h := startHosted(t, newLab(t, "n1", "n2", "n3"))
	t.Run("commands by address", h.commands)
	w := startWriters(t, h, 3)
	var real, injected seen
	t.Run("leader cut off by nft", func(t *testing.T) { real = h.partition(t, w, byKernel) })
	t.Run("leader cut off by raftkv fault", func(t *testing.T) { injected = h.partition(t, w, byFault) })
	t.Run("both are the same", func(t *testing.T) { agree(t, real, injected) })
	t.Run("packets lost", func(t *testing.T) { h.loss(t, w) })
	t.Run("slow links", h.slow)
	t.Run("host cut off from all", func(t *testing.T) { h.lostHost(t, w) })
	w.judge(t)
}

// commands tries what clients and people do, on all nodes, from another host.
func (h *hosted) commands(t *testing.T) {
	for _, id := range h.hosts {
		var moved string
		cluster.Eventually(t, id+" to know who leads", func() error {
			_, err := h.ask(id, "SET", "x", "1")
			if e := kv.ReplyError(""); errors.As(err, &e) && e.Code() == "MOVED" {
				moved = strings.Fields(string(e))[2]
				return nil
			}
			return err
		})
		if moved == "" {
			continue // it leads
		}
		if host, _, err := net.SplitHostPort(moved); err != nil || !strings.HasPrefix(host, h.net+".") {
			t.Errorf("%s redirects to %s, which is no address of another host", id, moved)
		}
		conn, err := cluster.Dial(moved)
		if err != nil {
			t.Errorf("%s redirects where nobody answers: %v", id, err)
			continue
		}
		conn.Close()
	}
	for i, command := range []string{"status", "map", "hot", "events", "balance", "group list", "node list", "migrations", "fault list"} {
		h.raftkv(t, h.hosts[i%len(h.hosts)], strings.Fields(command)...)
	}
	for _, id := range h.hosts {
		var s kv.Status
		if err := h.get(id, "/v1/status", &s); err != nil || len(s.Nodes) != len(h.hosts) {
			t.Fatalf("%s tells of %d nodes: %v", id, len(s.Nodes), err)
		}
		for _, n := range s.Nodes {
			if n.Redis != h.redis(n.ID) || n.HTTP != h.http(n.ID) || n.State != kv.NodeUp {
				t.Errorf("%s tells that %s is %s at %s and %s", id, n.ID, n.State, n.Redis, n.HTTP)
			}
		}
		if v, err := h.follow(id, "x"); err != nil || v != "1" {
			t.Errorf("a read of %s's replica: %q, %v", id, v, err)
		}
	}
}

// loss lets each host lose some of the packets that reach it, those of clients too.
func (h *hosted) loss(t *testing.T, w *writers) {
	const percent, last = 12, 6 * time.Second
	h.checked(t, w, func() {
		before := w.acknowledged()
		w.silence()
		for _, id := range h.hosts {
			h.apply(t, id, lossRules(percent))
		}
		time.Sleep(last) // the fault's length
		lost := 0
		for _, id := range h.hosts {
			lost += h.heal(t, id)
		}
		t.Logf("%d packets were lost, %d %%; %d writes acknowledged, longest time without any %v", lost, percent, w.acknowledged()-before, w.silence())
		if lost == 0 {
			t.Error("no packet was lost: this proves nothing")
		}
		w.more(t, 20)
	})
}

// slow gives each host a slow link, by the kernel's token bucket: packets wait for
// those before them, as on a line that is too thin. Netem, which delays each packet
// alike, is missing in many kernels.
func (h *hosted) slow(t *testing.T) {
	const rate, size = 2_000_000, 20_000 // bits a second, bytes
	for _, id := range h.hosts {
		h.qdisc(t, id, "add", "tbf", "rate", fmt.Sprint(rate), "burst", "3000", "latency", "2s")
	}
	value := strings.Repeat("x", size)
	var took time.Duration
	cluster.Eventually(t, "a write", func() error {
		began := time.Now()
		_, err := h.ask(h.leader(t, h.hosts...), "SET", "slow", value)
		took = time.Since(began)
		return err
	})
	// It goes to one follower at least before it is acknowledged.
	if least := time.Second * size * 8 / rate / 2; took < least {
		t.Errorf("a write of %d bytes over %d bit/s took %v, which is less than %v", size, rate, took, least)
	}
	t.Logf("a write of %d bytes over %d bit/s took %v", size, rate, took)
	for _, id := range h.hosts {
		h.qdisc(t, id, "del")
	}
}

// qdisc changes how the kernel sends a host's packets.
func (h *hosted) qdisc(t *testing.T, id, what string, discipline ...string) {
	t.Helper()
	if err := sh("", "ip", append([]string{"netns", "exec", h.namespace(id), "tc", "qdisc", what, "dev", "eth0", "root"}, discipline...)...); err != nil {
		t.Fatalf("tc qdisc %s of %s: %v", what, id, err)
	}
}

// more waits until n more writes were acknowledged.
func (w *writers) more(t *testing.T, n int) {
	t.Helper()
	goal := w.acknowledged() + n
	cluster.Eventually(t, "acknowledged writes", func() error {
		if got := w.acknowledged(); got < goal {
			return fmt.Errorf("%d of %d", got, goal)
		}
		return nil
	})
}
