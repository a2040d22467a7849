package client

import (
	"context"
	"errors"
	"testing"
	"time"

	"raftkv/kv"
)

// However an attempt ends, a write takes effect once, and its caller learns the
// reply of the execution that took place.
func TestWritesTakeEffectOnce(t *testing.T) {
	for name, actions := range map[string][]action{
		"connection lost before":       {dropBefore},
		"connection lost after":        {dropAfter},
		"lost after, three times":      {dropAfter, dropAfter, dropAfter},
		"UNCERTAIN and not done":       {doubtBefore},
		"UNCERTAIN and done":           {doubtAfter},
		"done, then no leader":         {dropAfter, down, down, busy, down},
		"done, then memory is full":    {dropAfter, noMemory, noMemory},
		"not done, then memory full":   {dropBefore, noMemory},
		"no answer":                    {hang},
		"no answer, then done in fact": {hang, dropAfter, hang},
		"no leader five times":         {down, down, down, down, down},
		"busy":                         {busy, busy, busy},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, 1)
			c := f.client(Options{AttemptTimeout: 50 * time.Millisecond})
			f.script(actions...)
			if n, err := c.Incr(t.Context(), "n"); n != 1 || err != nil {
				t.Errorf("Incr: %d, %v", n, err)
			}
			f.script(actions...)
			if n, err := c.Append(t.Context(), "text", "ab"); n != 2 || err != nil {
				t.Errorf("Append: %d, %v", n, err)
			}
			if n, text := f.value("n"), f.value("text"); n != "1" || text != "ab" {
				t.Errorf("the store has %q and %q, want 1 and ab", n, text)
			}
			if n, err := c.Incr(t.Context(), "n"); n != 2 || err != nil {
				t.Errorf("the next Incr: %d, %v", n, err)
			}
		})
	}
}

// A refusal is definite only as long as no earlier attempt is in doubt.
func TestRefusalAndDoubt(t *testing.T) {
	f := newFake(t, 1)
	c := f.client(Options{})
	f.script(noMemory)
	if _, err := c.Incr(t.Context(), "n"); code(err) != "OOM" || errors.Is(err, ErrUncertain) {
		t.Errorf("refused at once: %v", err)
	}
	f.script(append([]action{dropAfter}, repeat(noMemory, 1000)...)...)
	_, err := c.Incr(ended(t, 200*time.Millisecond), "n")
	if !errors.Is(err, ErrUncertain) || !errors.Is(err, context.DeadlineExceeded) || code(err) != "UNCERTAIN" {
		t.Errorf("refused after an attempt in doubt: %v", err)
	}
	if n := f.value("n"); n != "1" {
		t.Errorf("the store has %q", n)
	}
}

func repeat(a action, n int) []action {
	out := make([]action, n)
	for i := range out {
		out[i] = a
	}
	return out
}

// If nothing can have been done, the error says so: no doubt, no lost lane.
func TestDefiniteAtTheEndOfTheContext(t *testing.T) {
	f := newFake(t, 1)
	c := f.client(Options{})
	f.script(repeat(down, 1000)...)
	// The context may end just between an attempt and its reply: then try anew.
	var err error
	retired := -1
	eventually(t, "the context ends between two attempts", func() bool {
		retired++
		_, err = c.Incr(ended(t, 100*time.Millisecond), "n")
		return !errors.Is(err, ErrUncertain)
	})
	if !errors.Is(err, context.DeadlineExceeded) || code(err) != "CLUSTERDOWN" {
		t.Errorf("no leader for the whole time: %v", err)
	}
	if s := c.lanes.slots[slotOf("n")]; len(s.free) != 1 || s.made != retired+1 {
		t.Errorf("%d of %d lanes are free, %d calls ended in doubt", len(s.free), s.made, retired)
	}
	// Nobody listens: nothing was sent either.
	f.nodes[0].kill()
	c = f.client(Options{})
	if _, err = c.Incr(ended(t, 100*time.Millisecond), "n"); err == nil || errors.Is(err, ErrUncertain) {
		t.Errorf("no node at all: %v", err)
	}
}

func slotOf(key string) uint16 {
	r, err := parse([]string{"GET", key})
	if err != nil {
		panic(err)
	}
	return r.slot
}

// The end of the context interrupts a call whose node hangs. Its lane is never
// used again, so that the write may arrive as late as it wants.
func TestEndOfContextRetiresTheLane(t *testing.T) {
	f := newFake(t, 1)
	c := f.client(Options{AttemptTimeout: time.Hour})
	if _, err := c.Incr(t.Context(), "n"); err != nil {
		t.Fatal(err)
	}
	f.script(hang)
	f.commands()
	ctx, cancel := context.WithCancel(ended(t, time.Hour))
	failed := make(chan error)
	go func() {
		_, err := c.Incr(ctx, "n")
		failed <- err
	}()
	eventually(t, "the INCR arrives", func() bool { return len(f.commands()) == 1 })
	cancel()
	if err := <-failed; !errors.Is(err, ErrUncertain) || !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if n, err := c.Incr(t.Context(), "n"); n != 2 || err != nil {
		t.Errorf("the next Incr: %d, %v", n, err)
	}
	s := c.lanes.slots[slotOf("n")]
	if s.made != 2 || len(s.free) != 1 || s.free[0].number != 1 {
		t.Errorf("lanes: %d made, %d free: the one in doubt must be retired", s.made, len(s.free))
	}
}

// A write that arrives after its caller has gone counts at most once, and does
// not disturb later ones.
func TestLateWrite(t *testing.T) {
	f := newFake(t, 1)
	c := f.client(Options{})
	f.script(append([]action{delay}, repeat(down, 1000)...)...)
	if _, err := c.Incr(ended(t, 100*time.Millisecond), "n"); !errors.Is(err, ErrUncertain) {
		t.Fatalf("%v, want uncertain", err)
	}
	f.script(delay) // the second one is repeated, and late all the same
	if n, err := c.Incr(t.Context(), "n"); n != 1 || err != nil {
		t.Errorf("the second Incr: %d, %v", n, err)
	}
	f.deliverLate()
	if n, err := c.Incr(t.Context(), "n"); n != 3 || err != nil {
		t.Errorf("the third Incr, after the late first: %d, %v", n, err)
	}
	if n := f.value("n"); n != "3" {
		t.Errorf("the store has %q", n)
	}
}

// Somebody else with the same client id has gone ahead: what became of ours is
// not known, and the lane is of no use any more.
func TestForeignSequence(t *testing.T) {
	f := newFake(t, 1)
	c := f.client(Options{})
	if _, err := c.Do(t.Context(), "RAFTKV.ONCE", "n", c.lanes.client+"-0", "7", "INCR", "n"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Incr(t.Context(), "n"); !errors.Is(err, ErrUncertain) {
		t.Errorf("%v, want uncertain", err)
	}
	if n, err := c.Incr(t.Context(), "n"); n != 2 || err != nil {
		t.Errorf("the next Incr: %d, %v", n, err)
	}
}

// A caller may keep a session of its own. Its commands are sent as they are.
func TestSessionOfTheCaller(t *testing.T) {
	f := newFake(t, 1)
	c := f.client(Options{})
	f.script(dropAfter)
	for range 2 {
		if r, err := c.Do(t.Context(), "raftkv.once", "n", "mine", "2", "INCR", "n"); r.Int != 1 || err != nil {
			t.Errorf("INCR: %v, %v", r, err)
		}
	}
	if _, err := c.Do(t.Context(), "raftkv.once", "n", "mine", "1", "INCR", "n"); code(err) != "SEQOUTDATED" {
		t.Errorf("an older number: %v", err)
	}
}

// No session covers FLUSHALL: it is sent again only if nothing was done.
func TestWritesWithoutKeysAreNotRepeatedInDoubt(t *testing.T) {
	for name, x := range map[string]struct {
		first action
		sent  int
		doubt bool
	}{
		"no leader":                     {down, 2, false},
		"connection lost after":         {dropAfter, 1, true},
		"connection lost before":        {dropBefore, 1, true},
		"UNCERTAIN":                     {doubtAfter, 1, true},
		"a connection that was in use ": {serve, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, 1)
			c := f.client(Options{})
			if err := c.Set(t.Context(), "k", "v"); err != nil {
				t.Fatal(err)
			}
			if x.first == serve { // the idle connection dies unnoticed
				f.nodes[0].closeConnections()
			}
			f.commands()
			f.script(x.first)
			_, err := c.Do(t.Context(), "FLUSHALL")
			if errors.Is(err, ErrUncertain) != x.doubt || !x.doubt && err != nil {
				t.Errorf("error %v, want doubt: %v", err, x.doubt)
			}
			if sent := f.commands(); len(sent) != x.sent {
				t.Errorf("sent %q, want %d", sent, x.sent)
			}
		})
	}
}

func (n *fakeNode) closeConnections() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for nc := range n.conns {
		nc.Close()
	}
}

func TestReadsAreRepeated(t *testing.T) {
	f := newFake(t, 1)
	c := f.client(Options{AttemptTimeout: 50 * time.Millisecond})
	if err := c.Set(t.Context(), "k", "v"); err != nil {
		t.Fatal(err)
	}
	f.script(dropBefore, hang, down, busy, doubtBefore)
	if v, found, err := c.Get(t.Context(), "k"); v != "v" || !found || err != nil {
		t.Errorf("%q, %v, %v", v, found, err)
	}
	f.script(repeat(dropBefore, 1000)...)
	_, _, err := c.Get(ended(t, 100*time.Millisecond), "k")
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrUncertain) {
		t.Errorf("a read has no uncertain outcome: %v", err)
	}
}

func TestVerdicts(t *testing.T) {
	for e, want := range map[kv.ReplyError]verdict{
		kv.Moved(1, "h:1"):           moved,
		kv.ErrNoLeader:               unready,
		kv.ErrNoQuorum:               unready,
		kv.ErrClosing:                unready,
		kv.ErrBusy:                   unready,
		tooManyClients:               unready,
		kv.ErrOutOfMemory:            refused,
		kv.ErrDiskFull:               refused,
		kv.Uncertain(errors.New("")): uncertain,
		kv.ErrCrossSlot:              answered,
		"ERR value is not an integer or out of range": answered,
	} {
		if got := judge(e); got != want {
			t.Errorf("%q is %d, want %d", e, got, want)
		}
	}
}
