package fsm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"raftkv/kv"
	"raftkv/shard"
	"raftkv/shard/migrate"
)

// world is two groups, slots that move from the first to the second, clients that
// write to them all the time, and a third group that executes what was executed: it
// never moves anything, and so says how everything must be. All is driven by
// one goroutine and a seed.
type world struct {
	t      *testing.T
	rnd    *rand.Rand
	groups [2]*side
	truth  *machine
	wall   int64

	keys  []string // of the moving slots
	m     shard.Migration
	calm  bool // no more faults
	watch *watched
	stats worldStats

	canceled, finished, aborted bool
}

// worldStats proves that what is to be tested has happened.
type worldStats struct {
	executed, refused, crashes, late, restores, passed, abortedExecs, frozen int
	steps                                                                    map[migrate.Step]int
}

// side is one group, with the faults of its network.
type side struct {
	w      *world
	number uint32
	m      *machine
	skew   int64
	late   [][]byte // commands that are still on their way, whatever their senders believe
}

// watched is a transaction that a client prepares.
type watched struct {
	key            string
	version, truth uint64
}

type crash struct{}

func newWorld(t *testing.T, seed uint64, keys []string) *world {
	w := &world{t: t, rnd: rand.New(rand.NewPCG(seed, 1)), wall: 1_000_000, keys: keys, truth: newMachine()}
	w.stats.steps = map[migrate.Step]int{}
	var slots []shard.Range
	for _, k := range keys {
		slots = append(slots, shard.Range{shard.Slot([]byte(k)), shard.Slot([]byte(k))})
	}
	w.m = shard.Migration{Epoch: 7, Slots: shard.Normalize(slots), From: 1, To: 2}
	for i := range w.groups {
		s := &side{w: w, number: uint32(i + 1), m: &machine{FSM: New(Options{Group: uint32(i + 1)})}, skew: w.rnd.Int64N(40) - 20}
		s.m.partRecords = 1 + w.rnd.IntN(4)
		s.m.index = w.rnd.Uint64N(20) // the groups' indexes overlap
		w.groups[i] = s
	}
	// The first group has everything but some slots, so that both have keys of their own.
	w.groups[0].apply(Admin, OwnSlots(1, shard.Range{0, shard.Slots - 101}))
	w.groups[1].apply(Admin, OwnSlots(1, shard.Range{shard.Slots - 100, shard.Slots - 1}))
	return w
}

// apply commits an entry and checks what must always hold.
func (s *side) apply(kind EntryKind, commands ...[]byte) []kv.Reply {
	replies := s.m.apply(kind, s.w.wall+s.skew, commands...)
	s.w.check()
	return replies
}

func (w *world) check() {
	for slot := range shard.Each(w.m.Slots) {
		a, b := w.groups[0].m, w.groups[1].m
		if a.Serves(slot) && b.Serves(slot) {
			w.t.Fatalf("slot %d has two owners: %v, %v", slot, a.Migration(w.m.Epoch), b.Migration(w.m.Epoch))
		}
		if phase := a.Migration(w.m.Epoch).Phase; !a.Serves(slot) && !b.Serves(slot) {
			w.stats.frozen++
			if phase != migrate.Frozen && phase != migrate.Sealed {
				w.t.Fatalf("slot %d has no owner, and the source is %q", slot, phase)
			}
		}
		if a.Serves(slot) != a.state.slots.state[slot].Serves() || b.Serves(slot) != b.state.slots.state[slot].Serves() {
			w.t.Fatalf("slot %d: what is published is not the state", slot)
		}
	}
}

// owner returns the side that serves the moving slots, or nil.
func (w *world) owner() *side {
	for _, s := range w.groups {
		if s.m.Serves(w.m.Slots[0].From()) {
			return s
		}
	}
	return nil
}

// chance is true once in n times, until calm.
func (w *world) chance(n int) bool { return !w.calm && w.rnd.IntN(n) == 0 }

// traffic is what happens between the steps of a driver.
func (w *world) traffic() {
	for range w.rnd.IntN(4) {
		w.wall += w.rnd.Int64N(12)
		w.clientCommand()
	}
	s := w.groups[w.rnd.IntN(2)]
	switch {
	case w.rnd.IntN(4) == 0:
		s.apply(Tick)
	case w.chance(15):
		s.restore()
	case w.chance(20) && len(s.late) > 0:
		s.comeLate()
	case w.chance(80):
		w.canceled = true
	}
}

// comeLate applies a command that its sender has given up long ago.
func (s *side) comeLate() {
	i := s.w.rnd.IntN(len(s.late))
	command := s.late[i]
	s.late = append(s.late[:i:i], s.late[i+1:]...)
	s.w.stats.late++
	s.apply(Admin, command)
}

// restore replaces the group by one that starts from its snapshot.
func (s *side) restore() {
	s.w.stats.restores++
	index := s.m.index
	b := s.m.snapshot(s.w.t)
	fresh := &machine{FSM: New(Options{Group: s.number}), index: index}
	fresh.partRecords = s.m.partRecords
	if err := fresh.Restore(io.NopCloser(bytes.NewReader(b))); err != nil {
		s.w.t.Fatal(err)
	}
	if a, b := fresh.Memory(), s.m.Memory(); a != b {
		s.w.t.Fatalf("restored, the group has %d bytes, before %d", a, b)
	}
	if a, b := fresh.Migration(s.w.m.Epoch), s.m.Migration(s.w.m.Epoch); fmt.Sprint(a) != fmt.Sprint(b) {
		s.w.t.Fatalf("restored, the migration is %v, before %v", a, b)
	}
	s.m = fresh
}

// Admin makes a side the Leader of package fsm, behind a network that loses,
// delays and repeats.
func (s *side) Admin(command []byte) error {
	w := s.w
	w.traffic()
	defer w.traffic()
	command = bytes.Clone(command)
	switch {
	case w.chance(25):
		return kv.ErrNoLeader
	case w.chance(25):
		s.late = append(s.late, command)
		return kv.ErrUncertain
	case w.chance(25):
		s.apply(Admin, command)
		if w.chance(2) {
			s.late = append(s.late, command)
		}
		return kv.ErrUncertain
	}
	replies := s.apply(Admin, command)
	return replies[0].Err()
}

func (s *side) ReadIndex(context.Context) error {
	if s.w.chance(40) {
		return kv.ErrNoLeader
	}
	return nil
}

func (s *side) State() *FSM { return s.m.FSM }

// The controller's record.
func (w *world) Canceled(uint64) bool { return w.canceled }

func (w *world) Ended(uint64) bool { return w.finished || w.aborted }

func (w *world) Finish(context.Context, uint64) error {
	if w.chance(4) {
		return errors.New("the controller does not answer")
	}
	w.finished = true
	return nil
}

func (w *world) Abort(context.Context, uint64) error {
	if w.chance(4) {
		return errors.New("the controller does not answer")
	}
	w.aborted = true
	return nil
}

// run is one driver, which may crash before any step.
func (w *world) run(crashAt migrate.Step) (err error) {
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(crash); !ok {
				panic(p)
			}
			w.stats.crashes++
			err = errors.New("crashed")
		}
	}()
	limit := time.Hour
	if w.chance(6) {
		limit = time.Nanosecond // every freeze lasts too long
	}
	return migrate.Run(w.t.Context(), w.m, Source{w.groups[0]}, w.target(), w, migrate.Options{
		Run:         w.rnd.Uint64,
		FreezeLimit: limit,
		SmallBytes:  1 + w.rnd.Int64N(200),
		SmallTime:   1,
		MaxRounds:   1 + w.rnd.IntN(6),
		Tries:       3,
		Backoff:     1,
		Before: func(step migrate.Step) {
			w.stats.steps[step]++
			w.traffic()
			if step == crashAt && w.chance(2) {
				panic(crash{})
			}
		},
	})
}

func (w *world) target() Target {
	return func(ctx context.Context, number uint64, command []byte) (migrate.Status, error) {
		return Move(ctx, w.groups[1], number, command)
	}
}

// finish runs drivers until one says that the migration has ended.
func (w *world) finish() {
	for n := range 300 {
		w.calm = n > 100
		step := migrate.Steps[w.rnd.IntN(len(migrate.Steps))]
		if err := w.run(step); err == nil {
			return
		} else if errors.Is(err, migrate.ErrMismatch) || w.calm && n > 150 {
			w.t.Fatalf("run %d: %v", n, err)
		}
	}
	w.t.Fatal("the migration does not end")
}

// back begins the migration that brings the slots back, if they have gone.
func (w *world) back() bool {
	if !w.finished {
		return false
	}
	w.groups[0], w.groups[1] = w.groups[1], w.groups[0]
	w.m.Epoch, w.m.From, w.m.To = w.m.Epoch+1, w.m.To, w.m.From
	w.canceled, w.finished, w.aborted, w.calm = false, false, false, false
	return true
}

// verify checks that everything is where it belongs, as the truth says.
func (w *world) verify() {
	t := w.t
	old, now := w.groups[1], w.groups[0]
	if w.finished {
		old, now = now, old
	}
	if w.finished == w.aborted || w.owner() != now {
		t.Fatalf("finished %v, aborted %v, group %d does not serve", w.finished, w.aborted, now.number)
	}
	for _, s := range w.groups {
		if left := s.m.Migrations(); len(left) != 0 {
			t.Fatalf("group %d still has %v", s.number, left)
		}
	}
	now.apply(Tick)
	w.truth.apply(Tick, now.m.Clock())
	for slot := range shard.Each(w.m.Slots) {
		if n := old.m.state.store.SlotLen(slot) + int(old.m.state.sessions.count[slot]); n != 0 {
			t.Fatalf("group %d keeps %d keys and sessions of slot %d", old.number, n, slot)
		}
		if a, b := now.m.state.store.SlotLen(slot), w.truth.state.store.SlotLen(slot); a != b {
			t.Fatalf("slot %d has %d keys, want %d", slot, a, b)
		}
		if a, b := now.m.state.sessions.digest[slot], w.truth.state.sessions.digest[slot]; a != b {
			t.Fatalf("slot %d has other sessions", slot)
		}
	}
	for _, k := range w.keys {
		a, okA := now.m.state.store.Get([]byte(k))
		b, okB := w.truth.state.store.Get([]byte(k))
		if okA != okB || string(a.Value) != string(b.Value) || a.ExpireAt != b.ExpireAt {
			t.Fatalf("%q is %v, %v; want %v, %v", k, a, okA, b, okB)
		}
	}
}

var _ Leader = (*side)(nil)
var _ migrate.Record = (*world)(nil)
