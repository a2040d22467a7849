package heat

import (
	"math"
	"sync"
	"testing"
	"time"

	"raftkv/shard"

	"pgregory.net/rapid"
)

var start = time.Unix(1_700_000_000, 0)

// steady records reads and writes of slot 7 each second for so many seconds,
// and returns the time at the end.
func steady(c *Counter, now time.Time, seconds, reads, writes int) time.Time {
	for range seconds {
		for range reads {
			c.Read(7, 100)
		}
		for range writes {
			c.Write(7, 10)
		}
		now = now.Add(time.Second)
		c.Fold(now)
	}
	return now
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 0.001*want+1e-9 {
		t.Errorf("%s = %g, want %g", what, got, want)
	}
}

func TestRatesAreTrueFromTheFirstSecondsOn(t *testing.T) {
	c := New(0)
	c.Read(7, 1) // before the clock is started: it belongs to no span of time
	c.Fold(start)
	now := start
	for range 30 {
		now = steady(c, now, 1, 200, 50)
		got := slotsOf(c)
		if len(got) != 1 || got[0].Slot != 7 {
			t.Fatalf("Slots = %v", got)
		}
		near(t, "reads", got[0].Reads, 200)
		near(t, "writes", got[0].Writes, 50)
		near(t, "read bytes", got[0].ReadBytes, 20000)
		near(t, "write bytes", got[0].WriteBytes, 500)
	}
}

func TestRatesHalveInAHalfLife(t *testing.T) {
	for _, halfLife := range []time.Duration{time.Second, 5 * time.Second, time.Minute} {
		c := New(halfLife)
		c.Fold(start)
		now := steady(c, start, int(20*halfLife/time.Second), 100, 0) // the past weighs 1 - 2^-20
		c.Fold(now.Add(halfLife))
		near(t, "after one half-life", c.Total().Reads, 50)
		// In how many calls time passes does not matter.
		for range 4 {
			c.Fold(now.Add(halfLife))
			now = now.Add(halfLife / 4)
			c.Fold(now.Add(halfLife))
		}
		near(t, "after two half-lives", c.Total().Reads, 25)
	}
}

func TestIdleSlotsAreForgotten(t *testing.T) {
	c := New(time.Second)
	c.Fold(start)
	now := steady(c, start, 3, 100, 0)
	c.Fold(now.Add(time.Minute))
	if got := slotsOf(c); len(got) != 0 {
		t.Errorf("after a minute of a one-second half-life: %v", got)
	}
}

func TestTimeThatDoesNotPassLosesNothing(t *testing.T) {
	c := New(time.Second)
	c.Fold(start)
	c.Read(1, 0)
	c.Fold(start)
	c.Fold(start.Add(-time.Hour))
	c.Fold(start.Add(time.Second))
	near(t, "reads", c.Total().Reads, 1)
}

func TestResetForgets(t *testing.T) {
	c := New(0)
	c.Fold(start)
	now := steady(c, start, 5, 100, 100)
	c.Write(3, 0)
	c.Reset(now)
	if got := slotsOf(c); got != nil {
		t.Errorf("after Reset: %v", got)
	}
	steady(c, now, 1, 30, 0)
	near(t, "reads", c.Total().Reads, 30)
}

// Any slot and any size is taken: both come from the network.
func TestRatesAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := New(0)
		c.Fold(start)
		ops, bytes := map[uint16]float64{}, 0.0
		for _, slot := range rapid.SliceOf(rapid.Uint16Max(shard.Slots-1)).Draw(t, "slots") {
			n := rapid.IntRange(0, 1<<30).Draw(t, "bytes")
			c.Write(slot, n)
			ops[slot]++
			bytes += float64(n)
		}
		c.Write(5, -1)
		ops[5]++
		c.Fold(start.Add(time.Second))
		got := slotsOf(c)
		if len(got) != len(ops) {
			t.Fatalf("%d slots, want %d", len(got), len(ops))
		}
		for i, h := range got {
			if i > 0 && got[i-1].Slot >= h.Slot {
				t.Fatalf("slots are not in order: %v", got)
			}
			if math.Abs(h.Writes-ops[h.Slot]) > 1e-6 {
				t.Fatalf("slot %d: %g writes, want %g", h.Slot, h.Writes, ops[h.Slot])
			}
		}
		if total := c.Total(); math.Abs(total.WriteBytes-bytes) > 1e-6*bytes {
			t.Fatalf("%g bytes, want %g", total.WriteBytes, bytes)
		}
	})
}

// Nothing that is recorded beside a Fold is lost or counted twice: in one span
// of folding without decay to speak of, the sum of what was seen is exact.
func TestRecordingBesideFolds(t *testing.T) {
	const goroutines, each = 4, 20000
	c := New(1000 * time.Hour)
	c.Fold(start)
	var recorders sync.WaitGroup
	for g := range goroutines {
		recorders.Go(func() {
			for i := range each {
				c.Read(uint16(i%1000), 1)
				c.Write(uint16(g), 1)
			}
		})
	}
	done := make(chan struct{})
	go func() { recorders.Wait(); close(done) }()
	// Steps are short: in long ones a slot that is recorded in one of them only would
	// be idle by the end, and forgotten.
	seconds := 0.0
	fold := func() {
		seconds += 1e-3
		c.Fold(start.Add(time.Duration(seconds * float64(time.Second))))
		slotsOf(c)
	}
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
			fold()
		}
	}
	fold()
	total := c.Total()
	near(t, "reads", total.Reads*seconds, goroutines*each)
	near(t, "writes", total.Writes*seconds, goroutines*each)
}

func TestRecordingDoesNotAllocate(t *testing.T) {
	c, k := New(0), NewTopKeys(8, 0)
	key := []byte("key")
	if n := testing.AllocsPerRun(1000, func() { c.Read(9, 1); c.Write(9, 1); k.Observe(key) }); n != 0 {
		t.Errorf("%v allocations an operation", n)
	}
}

func BenchmarkRead(b *testing.B) {
	c := New(0)
	for i := 0; b.Loop(); i++ {
		c.Read(uint16(i*7)%shard.Slots, 100)
	}
}

func BenchmarkReadOneSlotContended(b *testing.B) {
	c := New(0)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c.Read(9, 100)
		}
	})
}

func BenchmarkFold(b *testing.B) {
	for name, slots := range map[string]int{"1024slots": 1024, "16384slots": shard.Slots} {
		b.Run(name, func(b *testing.B) {
			c, now := New(0), start
			for b.Loop() {
				for s := range slots {
					c.Read(uint16(s), 1)
				}
				now = now.Add(time.Second)
				c.Fold(now)
			}
		})
	}
}

// Bytes are counted without decay, whether folded or not, and a reset forgets them.
func TestBytes(t *testing.T) {
	c := New(time.Second)
	now := time.Unix(1000, 0)
	c.Reset(now)
	for i := range 100 {
		c.Write(7, 10)
		c.Read(7, 3)
		c.Read(8, 1)
		if i%10 == 0 {
			now = now.Add(time.Minute) // the rates are nothing by then
			c.Fold(now)
		}
	}
	if in, out := c.Bytes(7); in != 1000 || out != 300 {
		t.Errorf("slot 7: %d in, %d out, want 1000 and 300", in, out)
	}
	if in, out := c.Bytes(8); in != 0 || out != 100 {
		t.Errorf("slot 8: %d in, %d out, want 0 and 100", in, out)
	}
	if in, out := c.Bytes(16383); in != 0 || out != 0 {
		t.Errorf("a slot that was not used: %d in, %d out", in, out)
	}
	c.Reset(now)
	if in, out := c.Bytes(7); in != 0 || out != 0 {
		t.Errorf("after a reset: %d in, %d out", in, out)
	}
}

// slotsOf returns what Each tells.
func slotsOf(c *Counter) (out []SlotHeat) {
	c.Each(func(h SlotHeat) { out = append(out, h) })
	return out
}

func TestSpanIsThatOfTheRates(t *testing.T) {
	c := New(0)
	want := func(what string, want time.Duration) {
		t.Helper()
		if got := c.Span(); got != want {
			t.Errorf("%s: a span of %v, want %v", what, got, want)
		}
	}
	want("at first", 0)
	c.Fold(start)
	want("the clock is started", 0)
	now := steady(c, start, 3, 10, 0)
	want("three seconds on", 3*time.Second)
	c.Reset(now)
	want("reset", 0)
	c.Fold(now.Add(-time.Second))
	want("a clock that went back", 0)
	c.Fold(now.Add(2 * time.Millisecond))
	want("a moment after a reset", 2*time.Millisecond)
}
