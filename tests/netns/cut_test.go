package netns

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"raftkv/kv"
	"raftkv/tests/cluster"
)

const (
	// outage is within what time a new leader must have acknowledged writes, however
	// the old one was cut off. It is what a busy machine needs; a quiet one takes half
	// a second.
	outage = 10 * time.Second
	// rejoin is within what time a node must follow again when its links are mended.
	rejoin = 10 * time.Second
	// hostFor is how long a host is cut off from all. It is so long that TCP, left
	// alone, would send nothing for the next six seconds: it tries again 0.2, 0.6,
	// 1.4, 3, 6.2 and 12.6 s after the first try.
	hostFor = 7 * time.Second
	// retry is within what time a packet must follow when a link is mended.
	retry = 3 * time.Second
)

// partition is a way to cut the leader off from the other nodes, not from clients.
type partition struct {
	name      string
	cut, heal func(h *hosted, t *testing.T, leader string)
}

var byKernel = partition{
	name: "nft",
	cut: func(h *hosted, t *testing.T, leader string) {
		var others []string
		for _, id := range h.others(leader) {
			others = append(others, h.addr(id))
		}
		h.apply(t, leader, dropRules(others, others))
	},
	heal: func(h *hosted, t *testing.T, leader string) {
		if h.heal(t, leader) == 0 {
			t.Error("no packet was dropped: this proves nothing")
		}
	},
}

var byFault = partition{
	name: "raftkv fault",
	cut: func(h *hosted, t *testing.T, leader string) {
		h.raftkv(t, leader, "fault", "isolate", leader)
	},
	heal: func(h *hosted, t *testing.T, leader string) {
		h.raftkv(t, leader, "fault", "heal")
	},
}

// seen is what was seen of a partition.
type seen struct {
	name     string
	replaced bool          // another node led
	outage   time.Duration // the longest time without an acknowledged write
	rejoined time.Duration // from healing until the old leader had what it had missed
	events   []string      // what the cluster told of the old leader
}

// partition cuts the leader off while clients write, and heals it.
func (h *hosted) partition(t *testing.T, w *writers, p partition) (s seen) {
	s.name = p.name
	h.checked(t, w, func() {
		old := h.leader(t, h.hosts...)
		since := h.position(t, old)
		w.more(t, 20)
		w.silence()
		p.cut(h, t, old)
		next := h.leader(t, h.others(old)...)
		s.replaced = next != old
		// check's clients ask it all the time and judge what it answers; this is so that
		// it is seen to refuse.
		cluster.Eventually(t, "the old leader to refuse", func() error {
			reply, err := h.ask(old, "GET", "x")
			if refusal := kv.ReplyError(""); !errors.As(err, &refusal) {
				return fmt.Errorf("it answers %q, %v", reply.Str, err)
			}
			return nil
		})
		w.more(t, 20)
		h.put(t, w, "marker", p.name)
		h.awaitEvent(t, next, since, old, kv.EventSilent)
		s.outage = w.silence()
		p.heal(h, t, old)
		s.rejoined = h.rejoined(t, old, p.name)
		h.awaitEvent(t, next, since, old, kv.EventAnswers)
		s.events = h.told(t, next, since, old)
		t.Logf("%s: %s was cut off, %s led; %v without acknowledged write; %v until it had what it missed; events %q", p.name, old, next, s.outage, s.rejoined, s.events)
	})
	return s
}

// rejoined waits until a node has by its own replica what was written last, and
// returns how long that took.
func (h *hosted) rejoined(t *testing.T, id, marker string) time.Duration {
	t.Helper()
	began := time.Now()
	cluster.Eventually(t, "the node to follow again", func() error {
		v, err := h.follow(id, "marker")
		if err == nil && v != marker {
			t.Errorf("a stale read: %s answers %q after %q was acknowledged", id, v, marker)
		}
		return err
	})
	return time.Since(began)
}

// awaitEvent waits until a node tells an event of another one.
func (h *hosted) awaitEvent(t *testing.T, asked, since, about string, kind kv.EventKind) {
	t.Helper()
	cluster.Eventually(t, "the event "+string(kind), func() error {
		if told := h.told(t, asked, since, about); !slices.Contains(told, string(kind)) {
			return fmt.Errorf("%s tells %q of %s", asked, told, about)
		}
		return nil
	})
}

// told returns the kinds of events that a node tells of another one since a
// position, each once, in order.
func (h *hosted) told(t *testing.T, asked, since, about string) (kinds []string) {
	for _, e := range h.events(t, asked, since) {
		if e.Node == about && (e.Kind == kv.EventSilent || e.Kind == kv.EventAnswers) && !slices.Contains(kinds, string(e.Kind)) {
			kinds = append(kinds, string(e.Kind))
		}
	}
	return kinds
}

// agree wants two partitions to have had the same consequences.
func agree(t *testing.T, a, b seen) {
	t.Logf("without acknowledged write: %v by %s, %v by %s", a.outage, a.name, b.outage, b.name)
	t.Logf("until the old leader had what it missed: %v by %s, %v by %s", a.rejoined, a.name, b.rejoined, b.name)
	for _, s := range []seen{a, b} {
		if !s.replaced {
			t.Errorf("%s: the old leader goes on", s.name)
		}
		if s.outage > outage {
			t.Errorf("%s: %v without an acknowledged write, %v are allowed", s.name, s.outage, outage)
		}
		if s.rejoined > rejoin {
			t.Errorf("%s: the old leader follows %v after healing, %v are allowed", s.name, s.rejoined, rejoin)
		}
	}
	if !slices.Equal(a.events, b.events) {
		t.Errorf("%s made the events %q, %s %q", a.name, a.events, b.name, b.events)
	}
}

// lostHost cuts the leader's host off from all others, clients as well, as when its
// cable is pulled: nobody is told that a connection is dead.
func (h *hosted) lostHost(t *testing.T, w *writers) {
	old := h.leader(t, h.hosts...)
	w.more(t, 20)
	w.silence()
	began := time.Now()
	all := []string{h.net + ".0/24"}
	h.apply(t, old, dropRules(all, all))
	h.leader(t, h.others(old)...)
	w.more(t, 20)
	h.put(t, w, "marker", "lost host")
	time.Sleep(time.Until(began.Add(hostFor))) // the fault's length
	gap := w.silence()
	for _, id := range h.hosts {
		for _, c := range h.waiting(t, id) {
			if c.wait > retry {
				t.Errorf("%s: a connection to %s would send its next packet only %v after the link is mended", id, c.to, c.wait)
			}
		}
	}
	dropped := h.heal(t, old)
	took := h.rejoined(t, old, "lost host")
	t.Logf("%s was lost, %d packets dropped; %v without acknowledged write; %v until it had what it missed", old, dropped, gap, took)
	if gap > outage {
		t.Errorf("%v without an acknowledged write, %v are allowed", gap, outage)
	}
	if took > rejoin {
		t.Errorf("the lost host follows %v after healing, %v are allowed", took, rejoin)
	}
}
