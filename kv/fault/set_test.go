package fault

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"raftkv/tests/cluster"
)

// body notes what it is asked for.
type body struct {
	mu   sync.Mutex
	done []string
}

func (b *body) note(what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done = append(b.done, what)
}

func (b *body) did(what string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Contains(b.done, what)
}

func (b *body) FlipLog(*uint32, *rand.Rand) (string, error) { return "there", nil }
func (b *body) FlipSnapshot(*uint32, *rand.Rand) (string, error) {
	return "", errors.New("there is none")
}
func (b *body) Transfer(context.Context, *uint32)   { b.note("transfer") }
func (b *body) Snapshot(context.Context, *uint32)   { b.note("snapshot") }
func (b *body) Migrate(context.Context, *rand.Rand) { b.note("migrate") }
func (b *body) Die()                                { b.note("die") }

// events notes what starts and ends.
type events struct {
	mu   sync.Mutex
	list []Event
}

func (e *events) report(ev Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, ev)
}

func (e *events) ended(id string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ev := range e.list {
		if !ev.Start && ev.ID == id {
			return ev.Reason
		}
	}
	return ""
}

func newSet(t *testing.T) (*Set, *body, *events) {
	b, e := new(body), new(events)
	s := New(Options{Node: "n1", MinFree: 1000, Now: time.Now, Body: b, Report: e.report})
	t.Cleanup(s.Close)
	return s, b, e
}

func start(t *testing.T, s *Set, id, line string) {
	t.Helper()
	if _, err := s.Start(Order{ID: id, Fault: line}); err != nil {
		t.Fatal(err)
	}
}

var errNotYet = errors.New("not yet")

func unless(done bool) error {
	if done {
		return nil
	}
	return errNotYet
}

func TestFaultsStartAndEnd(t *testing.T) {
	s, _, e := newSet(t)
	start(t, s, "a", "cut n1 n2")
	start(t, s, "a", "cut n1 n2") // told twice
	start(t, s, "b", "delay 1ms for 1ms")
	start(t, s, "c", "slow-fsync n2 1s") // another node's
	cluster.Eventually(t, "the end of b", func() error { return unless(e.ended("b") == "its time is over") })
	list := s.List()
	if len(list) != 2 || list[0].ID != "a" || list[0].Fault != "cut n1 n2" || list[1].ID != "c" {
		t.Errorf("active are %+v", list)
	}
	if s.disk.Load() != nil {
		t.Error("another node's disk is slow here")
	}
	if orders := s.Lasting(); len(orders) != 1 || orders[0].ID != "a" {
		t.Errorf("a node that starts is told %+v", orders)
	}
	if healed := s.Heal("z"); len(healed) != 0 {
		t.Errorf("healed %q", healed)
	}
	if healed := s.Heal(""); !slices.Equal(healed, []string{"cut n1 n2", "slow-fsync n2 1s"}) || e.ended("a") != "it was healed" {
		t.Errorf("healed %q", healed)
	}
	if s.links.Load() != nil || len(s.List()) != 0 {
		t.Error("something is left")
	}
	if _, err := s.Start(Order{ID: "d", Fault: "cut n1 n2 for 1s", Age: time.Second}); err != nil || len(s.List()) != 0 {
		t.Errorf("what is over elsewhere has begun here: %v", err)
	}
	if where, err := s.Start(Order{ID: "e", Fault: "flip-log n1"}); where != "there" || err != nil || e.ended("e") != "there" || len(s.List()) != 0 {
		t.Errorf("a flipped bit: %q, %v", where, err)
	}
	if _, err := s.Start(Order{ID: "f", Fault: "flip-snapshot n1"}); err == nil {
		t.Error("a snapshot that is not there was changed")
	}
}

// A node that has just started hears of a fault from another one, and then, or just
// before, that it was healed.
func TestHealedFaultsStayHealed(t *testing.T) {
	s, _, _ := newSet(t)
	began := time.Now()
	s.Heal("a")
	start(t, s, "a", "cut n1 n2")
	if left := s.List(); len(left) != 0 {
		t.Errorf("healed by its name, and told after that: %+v", left)
	}
	s.Heal("")
	if _, err := s.Start(Order{ID: "b", Fault: "cut n1 n2", Age: time.Since(began)}); err != nil || len(s.List()) != 0 {
		t.Errorf("healed with all, and told after that: %+v, %v", s.List(), err)
	}
	late, _, _ := newSet(t) // it could not be told
	late.LearnHealed(s.Healed())
	start(t, late, "a", "cut n1 n2")
	if _, err := late.Start(Order{ID: "b", Fault: "cut n1 n2", Age: time.Since(began)}); err != nil || len(late.List()) != 0 {
		t.Errorf("healed elsewhere before, and told after that: %+v, %v", late.List(), err)
	}
	start(t, s, "c", "cut n1 n2")
	if left := s.List(); len(left) != 1 {
		t.Errorf("a fault that began later: %+v", left)
	}
}

func TestStorms(t *testing.T) {
	s, b, _ := newSet(t)
	for i, kind := range []string{"transfer", "snapshot", "migrate"} {
		line := []string{"transfer-storm 1 every 1ms", "snapshot-storm every 1ms", "migration-storm every 1ms seed 3"}[i]
		start(t, s, kind, line)
		cluster.Eventually(t, kind, func() error { return unless(b.did(kind)) })
	}
}

func TestDiskFaults(t *testing.T) {
	s, b, e := newSet(t)
	d := s.Disk(3)
	if _, ok := d.Free(); ok || d.Before("append") != nil {
		t.Error("a disk without faults has some")
	}
	start(t, s, "fail", "fail-fsync n1")
	if err := d.Before("append"); !errors.Is(err, syscall.EIO) {
		t.Errorf("fail-fsync: %v", err)
	}
	s.Heal("")
	start(t, s, "hang", "hang-fsync n1")
	done := make(chan error)
	go func() { done <- d.Before("append") }()
	select {
	case <-done:
		t.Error("hang-fsync: the write ended")
	case <-time.After(10 * time.Millisecond):
	}
	s.Heal("")
	if err := <-done; err != nil {
		t.Error(err)
	}
	start(t, s, "full", "full n1")
	if free, ok := d.Free(); !ok || free != 500 {
		t.Errorf("full: %d, %v", free, ok)
	}
	s.Heal("")
	start(t, s, "full", "full n1 7b")
	if free, ok := d.Free(); !ok || free != 7 {
		t.Errorf("full with a size: %d, %v", free, ok)
	}
	start(t, s, "torn", "torn-write n1 4 seed 1")
	if _, _, ok := d.Torn(); ok {
		t.Error("another group's write is torn")
	}
	share, die, ok := s.Disk(4).Torn()
	if !ok || share <= 0 || share >= 1 {
		t.Errorf("torn-write: %v, %v", share, ok)
	}
	if die(); !b.did("die") || e.ended("torn") == "" {
		t.Error("the process lives, or nobody is told of its end")
	}
	start(t, s, "lost", "lost-write n1")
	if share, _, ok := d.Torn(); !ok || share != 0 {
		t.Errorf("lost-write: %v, %v", share, ok)
	}
}

func TestClockFaults(t *testing.T) {
	s, _, _ := newSet(t)
	off := func() time.Duration { return time.Until(s.Now()).Round(time.Minute) }
	if off() != 0 {
		t.Errorf("it is off by %v", off())
	}
	start(t, s, "a", "clock n1 -1h")
	start(t, s, "b", "clock n2 +5h")
	if off() != -time.Hour {
		t.Errorf("it is off by %v", off())
	}
	s.Heal("")
	start(t, s, "c", "clock-jumps n1 10h every 1ms seed 5")
	seen := make(map[time.Duration]bool)
	cluster.Eventually(t, "three jumps", func() error {
		if d := off(); d.Abs() > 10*time.Hour {
			t.Errorf("it is off by %v", d)
		}
		seen[off()] = true
		return unless(len(seen) >= 3)
	})
}
