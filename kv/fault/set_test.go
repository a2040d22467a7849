package fault

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
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

func eventually(t *testing.T, what string, fn func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !fn(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited for", what)
		}
	}
}

func TestFaultsStartAndEnd(t *testing.T) {
	s, _, e := newSet(t)
	start(t, s, "a", "cut n1 n2")
	start(t, s, "a", "cut n1 n2") // told twice
	start(t, s, "b", "delay 1ms for 1ms")
	start(t, s, "c", "slow-fsync n2 1s") // another node's
	eventually(t, "the end of b", func() bool { return e.ended("b") == "its time is over" })
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

func TestStorms(t *testing.T) {
	s, b, _ := newSet(t)
	for i, kind := range []string{"transfer", "snapshot", "migrate"} {
		line := []string{"transfer-storm 1 every 1ms", "snapshot-storm every 1ms", "migration-storm every 1ms seed 3"}[i]
		start(t, s, kind, line)
		eventually(t, kind, func() bool { return b.did(kind) })
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
	eventually(t, "three jumps", func() bool {
		if d := off(); d.Abs() > 10*time.Hour {
			t.Errorf("it is off by %v", d)
		}
		seen[off()] = true
		return len(seen) >= 3
	})
}

// pipe is a TCP connection, whose written side has faults.
func pipe(t *testing.T, s *Set) (from, to net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if to, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	from = s.Wrap(nc, func() string { return "n2" })
	t.Cleanup(func() { from.Close(); to.Close() })
	return from, to
}

func send(t *testing.T, nc net.Conn, text string) {
	t.Helper()
	if _, err := nc.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, nc net.Conn, n int) string {
	t.Helper()
	nc.SetReadDeadline(time.Now().Add(20 * time.Second))
	b := make([]byte, n)
	if _, err := io.ReadFull(nc, b); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// What is cut comes when the cut ends, in order; the other direction is open.
func TestCutHoldsWhatIsSent(t *testing.T) {
	s, _, _ := newSet(t)
	from, to := pipe(t, s)
	start(t, s, "a", "cut n1 n2 one-way")
	send(t, from, "one ")
	send(t, from, "two ")
	to.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if n, err := to.Read(make([]byte, 10)); n > 0 || err == nil {
		t.Fatalf("%d bytes went through a cut", n)
	}
	send(t, to, "back")
	if got := receive(t, from, 4); got != "back" {
		t.Errorf("the open direction: %q", got)
	}
	s.Heal("")
	send(t, from, "three")
	if got := receive(t, to, 13); got != "one two three" {
		t.Errorf("after the cut: %q", got)
	}
	start(t, s, "b", "cut n2 n3") // others'
	send(t, from, "four")
	if got := receive(t, to, 4); got != "four" {
		t.Errorf("a link that nothing cuts: %q", got)
	}
}

// A cut that lasts fills the connection up: then writes wait, until their deadline.
func TestCutFillsUp(t *testing.T) {
	s, _, _ := newSet(t)
	from, _ := pipe(t, s)
	start(t, s, "a", "isolate n1")
	from.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	var err error
	for range maxQueued/(1<<20) + 1 {
		_, err = from.Write(make([]byte, 1<<20))
	}
	if err == nil {
		t.Error("more is held than fits")
	}
}

func TestResets(t *testing.T) {
	s, _, _ := newSet(t)
	from, to := pipe(t, s)
	start(t, s, "a", "cut n1 n2 reset")
	to.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := to.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("an open connection: %v", err)
	}
	if _, err := from.Write([]byte("x")); err == nil {
		t.Error("a broken connection can be written to")
	}
	s.Heal("")
	from, _ = pipe(t, s)
	start(t, s, "b", "drop 100% seed 1")
	if _, err := from.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("dropped: %v", err)
	}
}

func TestDelayKeepsOrderAndCloses(t *testing.T) {
	s, _, _ := newSet(t)
	from, to := pipe(t, s)
	start(t, s, "a", "delay n1 n2 30ms±30ms seed 9")
	begin := time.Now()
	var want string
	for i := range 10 {
		send(t, from, string(rune('a'+i)))
		want += string(rune('a' + i))
	}
	from.Close() // what is late still goes out
	got, err := io.ReadAll(to)
	if err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
	if took := time.Since(begin); took < 10*time.Millisecond {
		t.Errorf("ten messages took %v", took)
	}
}

func TestBandwidth(t *testing.T) {
	s, _, _ := newSet(t)
	from, to := pipe(t, s)
	start(t, s, "a", "bandwidth 100kb/s")
	begin := time.Now()
	send(t, from, string(make([]byte, 5<<10)))
	send(t, from, string(make([]byte, 5<<10)))
	receive(t, to, 10<<10)
	if took := time.Since(begin); took < 95*time.Millisecond {
		t.Errorf("10 KiB at 100 KiB/s took %v", took)
	}
}

// By the same seed, the same messages are changed in the same way.
func TestFlipIsDecidedByTheSeed(t *testing.T) {
	run := func(line string) (out string) {
		s, _, _ := newSet(t)
		from, to := pipe(t, s)
		start(t, s, "a", line)
		for range 50 {
			send(t, from, "00000000")
		}
		return receive(t, to, 400)
	}
	first := run("flip 10% seed 1")
	if first != run("flip 10% seed 1") {
		t.Error("the same seed changes other bits")
	}
	if first == run("flip 10% seed 2") || first == string(slices.Repeat([]byte("0"), 400)) {
		t.Error("the seed does not matter, or nothing is changed")
	}
}

// Writes, faults, healing and closing may all come together.
func TestConcurrentFaults(t *testing.T) {
	s, _, _ := newSet(t)
	var all sync.WaitGroup
	var stop atomic.Bool
	for range 3 {
		from, to := pipe(t, s)
		all.Go(func() {
			for !stop.Load() {
				if _, err := from.Write([]byte("message")); err != nil {
					return
				}
			}
			from.Close()
		})
		all.Go(func() { io.Copy(io.Discard, to) })
	}
	for i := range 40 {
		id := string(rune('a' + i%4))
		start(t, s, id, []string{"cut n1 n2", "delay 1ms±1ms seed 4", "bandwidth 10mb/s", "flip 10% seed 6"}[i%4])
		if i%4 == 3 {
			s.Heal("")
		}
	}
	stop.Store(true)
	s.Close()
	all.Wait()
}

// An open connection of a node whose faults are enabled costs next to nothing.
func BenchmarkWriteWithoutFaults(b *testing.B) {
	s := New(Options{Node: "n1", Now: time.Now})
	defer s.Close()
	c := s.Wrap(nowhere{}, func() string { return "n2" })
	message := make([]byte, 100)
	for b.Loop() {
		c.Write(message)
	}
}

type nowhere struct{ net.Conn }

func (nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (nowhere) Close() error                { return nil }
