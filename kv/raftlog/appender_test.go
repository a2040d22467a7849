package raftlog

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

func isEarly() bool { return true }

// An early append can be replicated at once, but it is durable only when it is
// on disk.
func TestEarlyAppend(t *testing.T) {
	eachStore(t, func(t *testing.T, store string) {
		f := &faults{}
		l := open(t, Options{Dir: t.TempDir(), Store: store, Faults: f, Early: isEarly}, 0)
		release := make(chan struct{})
		f.set(func(f *faults) { f.hang = release })
		fill(t, l, 1, 3) // returns although the disk hangs
		expect(t, l, 1, 3)
		if l.Durable() != 0 {
			t.Errorf("durable up to %d before anything was written", l.Durable())
		}
		waited := make(chan error, 1)
		go func() { waited <- l.WaitDurable(3) }()
		select {
		case err := <-waited:
			t.Fatalf("entries count as durable that were not written: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
		close(release)
		if err := <-waited; err != nil || l.Durable() != 3 {
			t.Errorf("durable up to %d, %v", l.Durable(), err)
		}
		if err := l.WaitAllDurable(); err != nil {
			t.Error(err)
		}
	})
}

// Raft counts a change of membership at once and allows the next one then.
func TestMembershipIsNeverEarly(t *testing.T) {
	f := &faults{}
	l := open(t, Options{Dir: t.TempDir(), Faults: f, Early: isEarly}, 0)
	fill(t, l, 1, 1)
	change := entry(2, 1)
	change.Type = raft.LogConfiguration
	if err := l.StoreLog(change); err != nil {
		t.Fatal(err)
	}
	if l.Durable() != 2 {
		t.Errorf("durable up to %d after a change of membership", l.Durable())
	}
}

// What is in memory alone must stay there: it can be read nowhere else.
func TestLargeEntriesAreNotEarly(t *testing.T) {
	f := &faults{}
	l := open(t, Options{Dir: t.TempDir(), Faults: f, Early: isEarly}, 0)
	release := make(chan struct{})
	f.set(func(f *faults) { f.hang = release })
	fill(t, l, 1, 1)
	done := make(chan error, 1)
	go func() {
		large := entry(2, 1)
		large.Data = bytes.Repeat([]byte("x"), cacheBytes+1)
		done <- l.StoreLog(large)
	}()
	expect(t, l, 1, 1)
	close(release)
	if err := <-done; err != nil || l.Durable() != 2 {
		t.Errorf("durable up to %d, %v", l.Durable(), err)
	}
	if err := l.GetLog(1, new(raft.Log)); err != nil {
		t.Error(err)
	}
}

func TestEarlyAppendThatFails(t *testing.T) {
	eachStore(t, func(t *testing.T, store string) {
		f := &faults{}
		reported := make(chan error, 1)
		l := open(t, Options{Dir: t.TempDir(), Store: store, Faults: f, Early: isEarly, OnFailure: func(err error) { reported <- err }}, 0)
		fill(t, l, 1, 3)
		if err := l.WaitAllDurable(); err != nil {
			t.Fatal(err)
		}
		broken := errors.New("input/output error")
		f.set(func(f *faults) { f.fail = map[string]error{"append": broken} })
		fill(t, l, 4, 4)
		if err := l.WaitDurable(4); !errors.Is(err, broken) {
			t.Errorf("waiting for an entry that could not be written: %v", err)
		}
		<-reported
		f.set(func(f *faults) { f.fail = nil })
		if err := l.StoreLog(entry(5, 1)); !errors.Is(err, broken) {
			t.Errorf("an append after one that failed: %v", err)
		}
		if l.Durable() != 3 {
			t.Errorf("durable up to %d", l.Durable())
		}
	})
}

// A leader that becomes a follower may have to cut off what it has begun to
// write; what comes instead is not durable before it is written.
func TestCutOffEndIsNotDurable(t *testing.T) {
	eachStore(t, func(t *testing.T, store string) {
		f := &faults{}
		l := open(t, Options{Dir: t.TempDir(), Store: store, Faults: f, Early: isEarly}, 0)
		fill(t, l, 1, 5)
		if err := l.DeleteRange(3, 5); err != nil {
			t.Fatal(err)
		}
		if l.Durable() != 2 {
			t.Errorf("durable up to %d after entries 3 to 5 were removed", l.Durable())
		}
		release := make(chan struct{})
		f.set(func(f *faults) { f.hang = release })
		fill(t, l, 3, 4)
		if l.Durable() != 2 {
			t.Errorf("durable up to %d before it was written", l.Durable())
		}
		close(release)
		if err := l.WaitDurable(4); err != nil {
			t.Error(err)
		}
	})
}
