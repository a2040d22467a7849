package migrate

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"raftkv/shard"
)

// The driver and two real state machines are tested together in kv/fsm. Here it
// meets ends that do what those do not.

// fake is both ends, each as little as the tests need.
type fake struct {
	from, to Phase
	view     func() (*View, error)
	chunk    func(seq uint64) error
	froze    bool
}

type (
	fakeSource struct {
		Source
		*fake
	}
	fakeTarget struct {
		Target
		*fake
	}
	fakeRecord struct{ Record }
)

func (f fakeSource) Status(context.Context, uint64) (Status, error) {
	return Status{Phase: f.from, Attempt: 1}, nil
}
func (f fakeSource) View(context.Context, uint64) (*View, error) { return f.view() }
func (f fakeSource) Freeze(context.Context, uint64, uint64) error {
	f.froze = true
	return ErrOutdated
}
func (f fakeTarget) Status(context.Context, uint64) (Status, error) { return Status{Phase: f.to}, nil }
func (f fakeTarget) Install(context.Context, shard.Migration, uint64, uint64) (Status, error) {
	return Status{Phase: Installing}, nil
}
func (f fakeTarget) Chunk(_ context.Context, _, _, seq, _ uint64, _ []byte) error {
	return f.chunk(seq)
}
func (fakeRecord) Canceled(uint64) bool { return false }
func (fakeRecord) Ended(uint64) bool    { return false }

func (f *fake) run(t *testing.T, o Options) error {
	o.Backoff = time.Microsecond
	m := shard.Migration{Epoch: 7, Slots: []shard.Range{{1, 1}}, From: 1, To: 2}
	return Run(t.Context(), m, fakeSource{fake: f}, fakeTarget{fake: f}, fakeRecord{}, o)
}

// views makes views in which n parts have always changed.
func views(n int) func() (*View, error) {
	index := uint64(0)
	return func() (*View, error) {
		index++
		return &View{Index: index, Attempt: 1, Parts: func(_ uint64, emit func(Part) error) error {
			for range n {
				if err := emit(Part{Bytes: make([]byte, 100), Records: 1}); err != nil {
					return err
				}
			}
			return nil
		}}, nil
	}
}

// Slots that clients write to faster than they are copied are not frozen: the last
// round would take too long.
func TestRoundsThatDoNotShrink(t *testing.T) {
	f := &fake{from: Exporting, to: Installing, view: views(10), chunk: func(uint64) error { return nil }}
	rounds := 0
	o := Options{SmallBytes: 500, SmallTime: 1, MaxRounds: 4, FreezeLimit: 1, Progress: func(p Progress) { rounds = max(rounds, p.Round) }}
	if err := f.run(t, o); !errors.Is(err, errBehind) || f.froze || rounds != 4 {
		t.Errorf("%v after %d rounds, frozen %v", err, rounds, f.froze)
	}
	// A last round that is short enough will do, small or not.
	o.FreezeLimit = time.Hour
	if err := f.run(t, o); !errors.Is(err, ErrOutdated) || !f.froze {
		t.Errorf("%v, frozen %v", err, f.froze)
	}
}

// The driver rests between parts, for the bytes of each, and not before it freezes.
func TestPaceBetweenParts(t *testing.T) {
	var sent, paced int
	var before []int // how many parts were sent when it rested
	f := &fake{from: Exporting, to: Installing, view: views(3), chunk: func(uint64) error { sent++; return nil }}
	o := Options{Pace: func(bytes int) { paced += bytes; before = append(before, sent) }}
	if err := f.run(t, o); !errors.Is(err, ErrOutdated) || !f.froze {
		t.Fatalf("%v, frozen %v", err, f.froze)
	}
	if sent != 3 || paced != 200 || !slices.Equal(before, []int{1, 2}) {
		t.Errorf("%d parts were sent; rests for %d bytes after %v", sent, paced, before)
	}
}

// A part whose outcome is unknown is sent again under the same number, so often
// and no more; a refusal ends it at once.
func TestPartsAreTriedAgain(t *testing.T) {
	unknown := errors.New("no answer")
	for _, x := range []struct {
		fails int
		with  error
		sent  int
		want  error
	}{{2, unknown, 5, ErrOutdated}, {99, unknown, 4, unknown}, {99, ErrRefused, 1, ErrRefused}} {
		var sent []uint64
		f := &fake{from: Exporting, to: Installing, view: views(3), chunk: func(seq uint64) error {
			if sent = append(sent, seq); len(sent) <= x.fails {
				return x.with
			}
			return nil
		}}
		if err := f.run(t, Options{Tries: 4}); !errors.Is(err, x.want) || len(sent) != x.sent || sent[len(sent)-1] != uint64(max(1, x.sent-x.fails)) {
			t.Errorf("%d failures: %v, sent %v", x.fails, err, sent)
		}
	}
}

// What both sides may have ended is nothing to guess about.
func TestForgottenMigrations(t *testing.T) {
	for _, x := range [][2]Phase{{Forgotten, Forgotten}, {Sealed, Forgotten}} {
		if err := (&fake{from: x[0], to: x[1]}).run(t, Options{}); !errors.Is(err, ErrRefused) {
			t.Errorf("%v: %v", x, err)
		}
	}
}
