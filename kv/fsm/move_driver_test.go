package fsm

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"raftkv/kv"
	"raftkv/shard/migrate"
)

// quiet makes a world without faults and clients, but with keys of slot "b".
func quiet(t *testing.T, keys int) *world {
	w := newWorld(t, 1, []string{"b"})
	w.calm = true
	for i := range keys {
		w.keys = append(w.keys, "{b}"+strconv.Itoa(i))
		w.execute(cmd("SET", w.keys[len(w.keys)-1], "v"))
	}
	w.execute(cmd("RAFTKV.ONCE", "b", "client", "1", "INCR", "b"))
	return w
}

// network is a target whose commands a test may lose.
type network struct {
	w *world
	// before and after are called around each command with its name, "" for a
	// question; an error is what the driver gets.
	before, after func(ctx context.Context, name string) error
}

func (n *network) target() Target {
	return func(ctx context.Context, number uint64, command []byte) (migrate.Status, error) {
		name := ""
		if len(command) > 0 {
			EachCommand(command, func(args [][]byte) { name = string(args[0]) })
		}
		if n.before != nil {
			if err := n.before(ctx, name); err != nil {
				return migrate.Status{}, err
			}
		}
		side := &plain{n.w.groups[1]}
		st, err := Move(ctx, side, number, command)
		if n.after != nil {
			if lost := n.after(ctx, name); lost != nil {
				return migrate.Status{}, lost
			}
		}
		return st, err
	}
}

// plain is a side without traffic between commands.
type plain struct{ *side }

func (p *plain) Admin(command []byte) error { return p.apply(Admin, bytes.Clone(command))[0].Err() }

func (w *world) drive(target migrate.Target, o migrate.Options) (err error) {
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(crash); !ok {
				panic(p)
			}
			err = errors.New("crashed")
		}
	}()
	if o.Backoff == 0 {
		o.Backoff = time.Microsecond
	}
	return migrate.Run(w.t.Context(), w.m, Source{&plain{w.groups[0]}}, target, w, o)
}

// A round that broke off left keys in the target that go meanwhile.
func TestKeysGoBetweenBrokenRounds(t *testing.T) {
	w := quiet(t, 10)
	w.groups[0].m.partRecords = 1
	chunks := 0
	err := w.drive(w.target(), migrate.Options{Before: func(s migrate.Step) {
		if s == migrate.StepChunk {
			if chunks++; chunks == 6 {
				panic(crash{})
			}
		}
	}})
	if st := w.groups[1].m.Migration(7); err == nil || st.Through != 0 || st.Keys != 5 {
		t.Fatalf("%v, and the target is %+v", err, st)
	}
	for _, k := range w.keys {
		w.execute(cmd("DEL", k))
	}
	if err := w.drive(w.target(), migrate.Options{}); err != nil {
		t.Fatal(err)
	}
	w.verify()
}

// After the first round only what has changed is sent, and the freeze is
// shorter than the whole.
func TestRoundsSendWhatChanged(t *testing.T) {
	w := quiet(t, 5000)
	var rounds []int
	var last migrate.Progress
	err := w.drive((&network{w: w}).target(), migrate.Options{SmallBytes: 1, SmallTime: 1, MaxRounds: 3, Progress: func(p migrate.Progress) {
		last = p
		switch p.Step {
		case migrate.StepCopy:
			rounds = append(rounds, p.Records)
			if p.Round > 1 {
				w.execute(cmd("SET", "{b}17", strconv.Itoa(p.Round)))
				w.execute(cmd("DEL", "{b}18"))
			}
		case migrate.StepLast:
			rounds = append(rounds, p.Records)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	// 5000 keys, b, and its session; then a key and a tombstone, then a key.
	if want := []int{0, 5002, 5004, 5005}; len(rounds) != len(want) || rounds[1] != want[1] || rounds[2] != want[2] || rounds[3] != want[3] {
		t.Errorf("sent until the beginning of each round: %v, want %v", rounds, want)
	}
	if last.Step != migrate.StepDone || last.Bytes == 0 || last.Frozen == 0 || last.Attempt != 1 {
		t.Errorf("at the end: %+v", last)
	}
	w.verify()
}

// A driver that takes over goes on where the target says that the last one was.
func TestTakingOverSendsWhatChanged(t *testing.T) {
	w := quiet(t, 100)
	err := w.drive((&network{w: w}).target(), migrate.Options{Before: func(s migrate.Step) {
		if s == migrate.StepFreeze {
			panic(crash{})
		}
	}})
	if st := w.groups[1].m.Migration(7); err == nil || st.Through == 0 {
		t.Fatalf("%v, and the target is %+v", err, st)
	}
	w.execute(cmd("SET", "{b}17", "changed"))
	var last migrate.Progress
	if err := w.drive((&network{w: w}).target(), migrate.Options{Progress: func(p migrate.Progress) { last = p }}); err != nil || last.Records != 1 {
		t.Fatalf("%v, and %d records were sent for one change", err, last.Records)
	}
	w.verify()
}

// A target that falls silent while the slots are frozen costs clients the limit
// and no more: without a seal the source need not ask it.
func TestSilentTargetDoesNotHoldTheFreeze(t *testing.T) {
	w := quiet(t, 10)
	silent, frozen := false, false
	n := &network{w: w, before: func(ctx context.Context, name string) error {
		if silent {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}}
	var progress []migrate.Step
	err := w.drive(n.target(), migrate.Options{FreezeLimit: 30 * time.Millisecond, Progress: func(p migrate.Progress) {
		progress = append(progress, p.Step)
		switch {
		case p.Step == migrate.StepFreeze && !frozen:
			w.execute(cmd("SET", "{b}1", "last")) // so that the last round has a part
			silent, frozen = true, true
		case p.Step == migrate.StepThaw:
			if w.owner() != nil || p.Err == nil {
				t.Errorf("before thawing: owner %v, %+v", w.owner(), p)
			}
			silent = false
		}
	}})
	if err != nil || !frozen {
		t.Fatal(err, progress)
	}
	for _, s := range progress {
		if s == migrate.StepFence {
			t.Error("the source asked before it thawed")
		}
	}
	w.verify()
}

// If nobody knows whether the target was told to activate, and did, the source
// waits for its answer, however long that takes.
func TestUnknownActivation(t *testing.T) {
	for _, arrives := range []bool{false, true} {
		w := quiet(t, 10)
		lost, tries := false, 0
		n := &network{w: w}
		n.before = func(_ context.Context, name string) error {
			if name == adminActivate && tries == 0 && !lost && !arrives {
				lost = true
				return kv.ErrUncertain
			}
			if lost {
				if s := w.owner(); s != nil && s.number == 1 {
					t.Fatal("the source serves while the target's answer is not known")
				}
				if tries++; tries < 20 {
					return kv.ErrNoLeader
				}
				lost = false
			}
			return nil
		}
		n.after = func(_ context.Context, name string) error {
			if name == adminActivate && arrives && tries == 0 {
				lost = true
				return kv.ErrUncertain
			}
			return nil
		}
		thawed := false
		err := w.drive(n.target(), migrate.Options{Progress: func(p migrate.Progress) { thawed = thawed || p.Step == migrate.StepThaw }})
		if err != nil || tries < 20 || thawed == arrives {
			t.Fatalf("arrives %v: %v after %d tries, thawed %v", arrives, err, tries, thawed)
		}
		w.verify()
	}
}

// A copy that differs is not served: the source goes on, and the next driver
// copies everything anew.
func TestDamagedCopyIsNotServed(t *testing.T) {
	w := quiet(t, 50)
	damage := true
	o := migrate.Options{Before: func(s migrate.Step) {
		if s == migrate.StepActivate && damage {
			damage = false
			w.groups[1].m.state.store.Install([]byte("{b}7"), []byte("w"), 0)
		}
	}}
	if err := w.drive(w.target(), o); !errors.Is(err, migrate.ErrMismatch) {
		t.Fatal(err)
	}
	if st := w.groups[1].m.Migration(7); w.owner() != w.groups[0] || st.Through != 0 || st.Keys != 0 || st.Sessions != 0 {
		t.Fatalf("then the target is %+v", st)
	}
	if err := w.drive(w.target(), o); err != nil {
		t.Fatal(err)
	}
	w.verify()
}

// A migration that is canceled ends as it should at any step.
func TestCancelAtEachStep(t *testing.T) {
	for _, at := range migrate.Steps[:11] {
		w := quiet(t, 10)
		err := w.drive(w.target(), migrate.Options{Before: func(s migrate.Step) { w.canceled = w.canceled || s == at }})
		if err != nil {
			t.Fatalf("canceled at %s: %v", at, err)
		}
		late := at == migrate.StepFinish || at == migrate.StepDelete || at == migrate.StepDone
		if w.finished != late {
			t.Errorf("canceled at %s: finished %v", at, w.finished)
		}
		w.verify()
	}
}

// Where a driver that carries a migration out has no right to the slots, it says
// so and leaves nothing behind that needs repair.
func TestRefusedMigrations(t *testing.T) {
	w := quiet(t, 3)
	w.m.From, w.m.To = 2, 1
	w.groups[0], w.groups[1] = w.groups[1], w.groups[0]
	a, b := w.groups[0].m, w.groups[1].m
	err := migrate.Run(t.Context(), w.m, Source{w.groups[0]}, w.target(), w, migrate.Options{})
	if !errors.Is(err, migrate.ErrRefused) || len(a.Migrations()) != 0 || len(b.Migrations()) != 0 {
		t.Fatal(err, a.Migrations(), b.Migrations())
	}
}
