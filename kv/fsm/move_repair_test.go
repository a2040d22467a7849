package fsm

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"raftkv/kv"
	"raftkv/shard/migrate"
)

// cut makes a target that does not answer while *gone.
func (w *world) cut(gone *bool) migrate.Target {
	n := &network{w: w, before: func(context.Context, string) error {
		if *gone {
			return kv.ErrNoLeader
		}
		return nil
	}}
	return n.target()
}

// The source deletes what it gave away although the target has gone meanwhile, with all
// that it had: it may have given the slots on, and its group been removed.
func TestSourceDeletesWithoutTheTarget(t *testing.T) {
	for _, entries := range []int{0, 1} {
		w := quiet(t, 2*eraseKeys)
		gone, deletes := false, 0
		target := w.cut(&gone)
		err := w.drive(target, migrate.Options{Before: func(s migrate.Step) {
			if s == migrate.StepDelete {
				if deletes++; deletes > entries {
					panic(crash{})
				}
			}
		}})
		if st := w.groups[0].m.Migration(7); err == nil || !w.finished || st.Keys <= eraseKeys/2 {
			t.Fatalf("the driver has not died behind %d entries: %v, %+v", entries, err, st)
		}
		gone = true
		if err := w.drive(target, migrate.Options{Tries: 1}); err != nil {
			t.Errorf("died behind %d entries: %v; the source is %+v", entries, err, w.groups[0].m.Migration(7))
		}
		w.verify()
	}
}

// A cancel does not wait for the target: the source would remember each deleted key
// until that answers.
func TestCancelWithoutTheTarget(t *testing.T) {
	for _, at := range []migrate.Step{migrate.StepBegin, migrate.StepCopy, migrate.StepLast} {
		w := quiet(t, 10)
		gone := false
		target := w.cut(&gone)
		err := w.drive(target, migrate.Options{Tries: 1, Before: func(s migrate.Step) {
			if s == at {
				panic(crash{})
			}
		}})
		if err == nil {
			t.Fatalf("the driver has not died at %s", at)
		}
		gone, w.canceled = true, true
		if err := w.drive(target, migrate.Options{Tries: 1}); err == nil {
			t.Fatalf("canceled at %s: it is over, and the target does not know", at)
		}
		if st := w.groups[0].m.Migration(7); st.Phase != migrate.Canceled {
			t.Errorf("canceled at %s: the source is %+v", at, st)
		}
		gone = false
		if err := w.drive(target, migrate.Options{}); err != nil {
			t.Errorf("canceled at %s, and the target is back: %v", at, err)
		}
		w.verify()
	}
}

// A migration that waited while one side ended so many others that it counts as
// forgotten there is undone: that side never had it.
func TestForgottenBeforeItBegan(t *testing.T) {
	for _, begun := range []bool{false, true} {
		w := quiet(t, 10)
		if begun {
			w.groups[0].apply(Admin, ExportSlots(w.m))
		}
		for i := range maxEnded + 1 {
			w.groups[1].apply(Admin, AbortMove(uint64(100+i)))
		}
		if err := w.drive(w.target(), migrate.Options{}); err != nil {
			t.Errorf("forgotten by the target, begun %v: %v", begun, err)
		}
		w.verify()
	}
	w := quiet(t, 10)
	for i := range maxEnded + 1 {
		w.groups[0].apply(Admin, CancelMove(uint64(100+i), false))
	}
	if err := w.drive(w.target(), migrate.Options{}); err != nil {
		t.Errorf("forgotten by the source: %v", err)
	}
	w.verify()
}

// FLUSHALL beside a migration clears the target whatever its keys' sizes: deleted keys
// are remembered there, and that is memory, too.
func TestFlushBesideTheMigrationOfLargeValues(t *testing.T) {
	w := quiet(t, 1)
	for i := range 3000 {
		w.execute(cmd("SET", "{b}big"+strconv.Itoa(i), strings.Repeat("x", 6000)))
	}
	flushed := false
	err := w.drive(w.target(), migrate.Options{SmallBytes: 1, SmallTime: 1, Progress: func(p migrate.Progress) {
		if p.Step == migrate.StepCopy && p.Round == 2 && !flushed {
			flushed = true
			w.execute(cmd("FLUSHALL"))
		}
	}})
	if err != nil || !flushed {
		t.Fatalf("flushed %v: %v", flushed, err)
	}
	w.verify()
}

// The last part of an attempt comes when the next attempt has begun.
func TestPartOfAnEarlierAttempt(t *testing.T) {
	w := quiet(t, 10)
	var held []byte
	slow := false
	late := Target(func(ctx context.Context, number uint64, command []byte) (migrate.Status, error) {
		if slow && bytes.Contains(command, []byte(adminChunk)) {
			held = bytes.Clone(command)
			<-ctx.Done()
			return migrate.Status{}, ctx.Err()
		}
		st, err := Move(ctx, &plain{w.groups[1]}, number, command)
		if held != nil && bytes.Contains(command, []byte(adminInstall)) {
			w.execute(cmd("SET", "{b}2", "later"))
			Move(context.Background(), &plain{w.groups[1]}, number, held)
			held = nil
		}
		return st, err
	})
	frozen := 0
	err := w.drive(late, migrate.Options{FreezeLimit: 30 * time.Millisecond, Progress: func(p migrate.Progress) {
		switch p.Step {
		case migrate.StepFreeze:
			if frozen++; frozen == 1 {
				w.execute(cmd("SET", "{b}1", "last"))
				slow = true
			}
		case migrate.StepThaw:
			slow = false
		}
	}})
	if err != nil || frozen < 2 {
		t.Fatalf("frozen %d times: %v", frozen, err)
	}
	w.verify()
}

// An image's index is that of its state: replicas are compared by it.
func TestImagesBesideEntries(t *testing.T) {
	m := newMachine()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 3000 {
			m.apply(Commands, 0, cmd("SET", strconv.Itoa(i%300), "v"))
		}
	}()
	images := 0
	for ; ; images++ {
		if i := m.image(); i.header.Index != i.view.Index() {
			t.Fatalf("an image of index %d says that it is of %d", i.view.Index(), i.header.Index)
		}
		select {
		case <-done:
			if images == 0 {
				t.Error("no image was taken beside the entries")
			}
			return
		default:
		}
	}
}

// A view says the same index on a leader that was restored from a snapshot as on the next
// one that was not, else the next driver would take its replica to be behind.
func TestViewsOfRestoredReplicas(t *testing.T) {
	m := newMachine()
	m.do(0, "SET", "a", "1")
	m.apply(Admin, 0, moveSteps["export"])
	m.apply(Barrier, 0)
	r := restored(t, m.snapshot(t), m.index)
	m.apply(Barrier, 0)
	r.apply(Barrier, 0)
	a, _ := m.Export(7)
	b, _ := r.Export(7)
	if a.Index != b.Index {
		t.Errorf("a view has index %d, on a restored replica %d", a.Index, b.Index)
	}
}
