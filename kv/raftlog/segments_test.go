package raftlog

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

// fillSegments writes entries 1 to 50, of 1 MiB each, and returns the log's segments.
func fillSegments(t *testing.T, l *Log) *segments {
	t.Helper()
	for i := uint64(1); i <= 50; i++ {
		large := entry(i, 1)
		large.Data = append(large.Data, bytes.Repeat([]byte(" "), 1<<20)...)
		if err := l.StoreLog(large); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(segmentFiles(t, l)); n < 3 {
		t.Fatalf("50 MiB are in %d segments", n)
	}
	return l.entries.(*walStore).segments
}

func segmentFiles(t *testing.T, l *Log) []string {
	t.Helper()
	names, err := l.entries.(*walStore).files()
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// removeBy makes a log's files go in another way.
func (s *segments) removeBy(unlink func(path string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unlink = unlink
}

// Neither a compaction nor the appends behind it wait until its files have gone.
func TestCompactionDoesNotWaitForFiles(t *testing.T) {
	l := open(t, Options{Dir: t.TempDir(), Store: WAL}, 0)
	s := fillSegments(t, l)
	full := len(segmentFiles(t, l))
	remove, hold := s.unlink, make(chan struct{})
	s.removeBy(func(path string) error {
		<-hold
		return remove(path)
	})
	compacted := make(chan error, 1)
	go func() {
		err := l.DeleteRange(1, 45)
		if err == nil {
			err = l.StoreLog(entry(51, 1))
		}
		compacted <- err
	}()
	select {
	case err := <-compacted:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(time.Minute):
		t.Error("it waits for the removal of files")
	}
	close(hold)
	expect(t, l, 46, 51)
	s.settle()
	if n := len(segmentFiles(t, l)); n >= full {
		t.Errorf("%d segments are left of %d", n, full)
	}
}

// What could not be removed, or not before the end, goes at the next start.
func TestLeftSegmentsGoAtTheNextStart(t *testing.T) {
	opts := Options{Dir: t.TempDir(), Store: WAL}
	l := open(t, opts, 0)
	fillSegments(t, l).removeBy(func(string) error { return errors.New("on purpose") })
	full := len(segmentFiles(t, l))
	if err := errors.Join(l.DeleteRange(1, 45), l.Close()); err != nil {
		t.Fatal(err)
	}
	if n := len(segmentFiles(t, l)); n != full {
		t.Fatalf("%d segments are left of %d although none can be removed", n, full)
	}
	l = open(t, opts, 45)
	expect(t, l, 46, 50)
	l.entries.(*walStore).segments.settle()
	if n := len(segmentFiles(t, l)); n >= full {
		t.Errorf("%d segments are left of %d", n, full)
	}
}

// When the end of a log is cut off, its files have gone before anything is written
// in its place.
func TestCutOffEndHasGone(t *testing.T) {
	l := open(t, Options{Dir: t.TempDir(), Store: WAL}, 0)
	s := fillSegments(t, l)
	full, remove := len(segmentFiles(t, l)), s.unlink
	removing, hold, deleted := make(chan struct{}, full), make(chan struct{}), make(chan error, 1)
	s.removeBy(func(path string) error {
		removing <- struct{}{}
		<-hold
		return remove(path)
	})
	go func() { deleted <- l.DeleteRange(5, 50) }()
	<-removing
	select {
	case err := <-deleted:
		t.Errorf("it does not wait for the files: %v", err)
		deleted <- err
	default:
	}
	close(hold)
	if err := <-deleted; err != nil {
		t.Fatal(err)
	}
	if n := len(segmentFiles(t, l)); n >= full {
		t.Errorf("%d segments are left of %d", n, full)
	}
	fill(t, l, 5, 6)
	expect(t, l, 1, 6)
}
