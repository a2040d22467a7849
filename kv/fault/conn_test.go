package fault

import (
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"raftkv/kv/nettest"
)

// pipe is a TCP connection, whose written side has faults.
func pipe(t *testing.T, s *Set) (from, to net.Conn) {
	t.Helper()
	nc, to := nettest.Pair(t)
	from = s.Wrap(nc, func() string { return "n2" })
	t.Cleanup(func() { from.Close() })
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
