package raftlog

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"pgregory.net/rapid"
)

// eachStore runs a test for both stores.
func eachStore(t *testing.T, fn func(t *testing.T, store string)) {
	for _, store := range []string{WAL, BoltDB} {
		t.Run(store, func(t *testing.T) { fn(t, store) })
	}
}

func open(t *testing.T, opts Options, snapshot uint64) *Log {
	t.Helper()
	l, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Check(snapshot); err != nil {
		l.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func entry(index, term uint64) *raft.Log {
	return &raft.Log{Index: index, Term: term, Type: raft.LogCommand, Data: fmt.Appendf(nil, "data-%d-%d", index, term)}
}

func fill(t *testing.T, l *Log, from, to uint64) {
	t.Helper()
	for i := from; i <= to; i++ {
		if err := l.StoreLog(entry(i, 1)); err != nil {
			t.Fatal(err)
		}
	}
}

func expect(t *testing.T, l *Log, first, last uint64) {
	t.Helper()
	if f, la := l.Bounds(); f != first || la != last {
		t.Fatalf("bounds %d..%d, want %d..%d", f, la, first, last)
	}
	for i := first; i <= last && last > 0; i++ {
		var got raft.Log
		if err := l.GetLog(i, &got); err != nil {
			t.Fatalf("entry %d: %v", i, err)
		}
		if got.Index != i || !bytes.HasPrefix(got.Data, fmt.Appendf(nil, "data-%d-", i)) {
			t.Fatalf("entry %d is %+v", i, got)
		}
	}
	for _, i := range []uint64{first - 1, last + 1} {
		if err := l.GetLog(i, new(raft.Log)); !errors.Is(err, raft.ErrLogNotFound) {
			t.Fatalf("entry %d outside: %v", i, err)
		}
	}
}

func TestEntriesSurviveReopening(t *testing.T) {
	eachStore(t, func(t *testing.T, store string) {
		opts := Options{Dir: t.TempDir(), Store: store}
		l := open(t, opts, 0)
		fill(t, l, 1, 30)
		if err := l.DeleteRange(26, 30); err != nil { // a conflict
			t.Fatal(err)
		}
		fill(t, l, 26, 40)
		if err := l.DeleteRange(1, 10); err != nil { // a compaction
			t.Fatal(err)
		}
		expect(t, l, 11, 40)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		expect(t, open(t, opts, 10), 11, 40)
	})
}

// A log with the newest entries in memory answers as one without.
func TestModel(t *testing.T) {
	eachStore(t, func(t *testing.T, store string) {
		rapid.Check(t, func(rt *rapid.T) {
			dir, err := os.MkdirTemp(t.TempDir(), "")
			if err != nil {
				rt.Fatal(err)
			}
			early := false
			opts := Options{Dir: dir, Store: store, Early: func() bool { return early }}
			l, err := Open(opts)
			if err != nil {
				rt.Fatal(err)
			}
			if err := l.Check(0); err != nil {
				rt.Fatal(err)
			}
			defer func() { l.Close() }()
			model := make(map[uint64]string)
			first, last, term := uint64(0), uint64(0), uint64(1)
			for range rapid.IntRange(1, 12).Draw(rt, "steps") {
				switch rapid.IntRange(0, 4).Draw(rt, "step") {
				case 0, 1:
					n := rapid.IntRange(1, 5).Draw(rt, "n")
					var logs []*raft.Log
					for i := range uint64(n) {
						logs = append(logs, entry(last+1+i, term))
						model[last+1+i] = string(logs[i].Data)
					}
					if last == 0 {
						first = 1
					}
					last += uint64(n)
					early = rapid.Bool().Draw(rt, "early")
					if err := l.StoreLogs(logs); err != nil {
						rt.Fatal(err)
					}
				case 2:
					if last > first {
						to := rapid.Uint64Range(first, last-1).Draw(rt, "to")
						if err := l.DeleteRange(first, to); err != nil {
							rt.Fatal(err)
						}
						first = to + 1
					}
				case 3:
					if last > first {
						from := rapid.Uint64Range(first+1, last).Draw(rt, "from")
						if err := l.DeleteRange(from, last); err != nil {
							rt.Fatal(err)
						}
						last = from - 1
						term++
					}
				case 4:
					if err := l.Close(); err != nil {
						rt.Fatal(err)
					}
					if l, err = Open(opts); err != nil {
						rt.Fatal(err)
					}
					if err := l.Check(first); err != nil { // as if a snapshot covered what is gone
						rt.Fatal(err)
					}
				}
				if f, la := l.Bounds(); f != first && last != 0 || la != last {
					rt.Fatalf("bounds %d..%d, want %d..%d", f, la, first, last)
				}
				for i := first; i <= last && last > 0; i++ {
					var got raft.Log
					if err := l.GetLog(i, &got); err != nil || string(got.Data) != model[i] {
						rt.Fatalf("entry %d is %q (%v), want %q", i, got.Data, err, model[i])
					}
				}
			}
		})
	})
}

func TestVoteIsOneWrite(t *testing.T) {
	eachStore(t, func(t *testing.T, store string) {
		writes := &faults{}
		opts := Options{Dir: t.TempDir(), Store: store, Faults: writes}
		l := open(t, opts, 0)
		vote := func(term uint64, candidate string) {
			t.Helper()
			if err := l.SetUint64([]byte("LastVoteTerm"), term); err != nil {
				t.Fatal(err)
			}
			if err := l.Set([]byte("LastVoteCand"), []byte(candidate)); err != nil {
				t.Fatal(err)
			}
		}
		vote(4, "n1")
		before := writes.count("stable")
		vote(5, "n2")
		if n := writes.count("stable") - before; n != 1 {
			t.Errorf("a vote took %d writes: a crash between them leaves half a vote", n)
		}
		// A crash between raft's two calls: the old vote stands as a whole.
		if err := l.SetUint64([]byte("LastVoteTerm"), 9); err != nil {
			t.Fatal(err)
		}
		l.Close()
		l = open(t, opts, 0)
		term, err := l.GetUint64([]byte("LastVoteTerm"))
		if err != nil || term != 5 {
			t.Errorf("the term of the vote is %d, %v", term, err)
		}
		candidate, err := l.Get([]byte("LastVoteCand"))
		if err != nil || string(candidate) != "n2" {
			t.Errorf("the vote is for %q, %v", candidate, err)
		}
		if err := l.SetUint64([]byte("CurrentTerm"), 7); err != nil {
			t.Fatal(err)
		}
		if n, err := l.GetUint64([]byte("CurrentTerm")); err != nil || n != 7 {
			t.Errorf("CurrentTerm is %d, %v", n, err)
		}
		if _, err := l.GetUint64([]byte("missing")); err == nil || err.Error() != "not found" {
			t.Errorf("raft compares the text of this error: %v", err)
		}
	})
}

// faults fails or blocks writes by name, and counts them.
type faults struct {
	mu     sync.Mutex
	fail   map[string]error
	hang   chan struct{} // if set, writes wait for it
	writes map[string]int
	free   uint64
}

func (f *faults) Before(operation string) error {
	f.mu.Lock()
	if f.writes == nil {
		f.writes = make(map[string]int)
	}
	f.writes[operation]++
	err, hang := f.fail[operation], f.hang
	f.mu.Unlock()
	if hang != nil {
		<-hang
	}
	return err
}

func (f *faults) Torn() (float64, func(), bool) { return 0, nil, false }

func (f *faults) Free() (uint64, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.free, f.free > 0
}

func (f *faults) count(operation string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.writes[operation]
}

func (f *faults) set(change func(*faults)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// A write that is tried again after a failed fsync may succeed although its data
// is lost, so no write may ever succeed after one has failed.
func TestFirstFailureLatches(t *testing.T) {
	eachStore(t, func(t *testing.T, store string) {
		for _, operation := range []string{"append", "delete", "stable"} {
			f := &faults{}
			var reported []error
			l := open(t, Options{Dir: t.TempDir(), Store: store, Faults: f, OnFailure: func(err error) { reported = append(reported, err) }}, 0)
			fill(t, l, 1, 3)
			broken := errors.New("input/output error")
			f.set(func(f *faults) { f.fail = map[string]error{operation: broken} })
			do := map[string]func() error{
				"append": func() error { return l.StoreLog(entry(4, 1)) },
				"delete": func() error { return l.DeleteRange(1, 1) },
				"stable": func() error { return l.SetUint64([]byte("CurrentTerm"), 2) },
			}
			if err := do[operation](); !errors.Is(err, broken) {
				t.Fatalf("%s: %v", operation, err)
			}
			f.set(func(f *faults) { f.fail = nil }) // the disk is well again; the data is not
			for name, fn := range do {
				if err := fn(); !errors.Is(err, broken) {
					t.Errorf("%s succeeded after a failed %s: %v", name, operation, err)
				}
			}
			if err := l.Writable(); !errors.Is(err, broken) {
				t.Errorf("writable after a failed %s: %v", operation, err)
			}
			if len(reported) != 1 {
				t.Errorf("a failed %s was reported %d times", operation, len(reported))
			}
		}
	})
}

func TestHungWriteIsReported(t *testing.T) {
	eachStore(t, func(t *testing.T, store string) {
		f := &faults{}
		hung := make(chan string, 1)
		l := open(t, Options{Dir: t.TempDir(), Store: store, Faults: f, HangTimeout: 20 * time.Millisecond,
			OnHang: func(operation string, _ time.Duration) { hung <- operation }}, 0)
		fill(t, l, 1, 1)
		release := make(chan struct{})
		f.set(func(f *faults) { f.hang = release })
		done := make(chan error)
		go func() { done <- l.StoreLog(entry(2, 1)) }()
		if op := <-hung; op != "append" {
			t.Errorf("hung in %q", op)
		}
		f.set(func(f *faults) { f.hang = nil })
		close(release)
		<-done
	})
}

func TestNearlyFullDiskRefusesAndRecovers(t *testing.T) {
	eachStore(t, func(t *testing.T, store string) {
		f := &faults{free: 1 << 30}
		l := open(t, Options{Dir: t.TempDir(), Store: store, Faults: f, MinFree: 1 << 20}, 0)
		fill(t, l, 1, 1)
		f.set(func(f *faults) { f.free = 1000 })
		if err := l.StoreLog(entry(2, 1)); !errors.Is(err, ErrFull) {
			t.Fatalf("an append with a full disk: %v", err)
		}
		waitFor(t, func() bool { return errors.Is(l.Writable(), ErrFull) })
		if err := l.SetUint64([]byte("CurrentTerm"), 3); err != nil {
			t.Errorf("a vote needs no new space: %v", err)
		}
		f.set(func(f *faults) { f.free = 1 << 30 })
		waitFor(t, func() bool { return l.Writable() == nil })
		fill(t, l, 2, 2)
		expect(t, l, 1, 2)
	})
}

func waitFor(t *testing.T, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not come true")
		}
	}
}

// spoil changes the files of a closed log.
func spoil(t *testing.T, dir, store string, change func(path string, b []byte) []byte) {
	t.Helper()
	pattern := filepath.Join(dir, "wal", "*.wal")
	if store == BoltDB {
		pattern = filepath.Join(dir, "log.db")
	}
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	path := files[len(files)-1]
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(path, b), 0o600); err != nil {
		t.Fatal(err)
	}
}

// reopen returns the error of opening and checking.
func reopen(opts Options, snapshot uint64) error {
	l, err := Open(opts)
	if err != nil {
		return err
	}
	defer l.Close()
	return l.Check(snapshot)
}

func TestDamageIsFoundAtStart(t *testing.T) {
	flip := func(text string) func(string, []byte) []byte {
		return func(_ string, b []byte) []byte {
			for at := 0; ; {
				i := bytes.Index(b[at:], []byte(text))
				if i < 0 {
					return b
				}
				b[at+i] ^= 1
				at += i + 1
			}
		}
	}
	damages := map[string]func(string, []byte) []byte{
		"bit in the first entry": flip("data-1-"),
		"bit in the middle":      flip("data-250-"),
		"bit in the last entry":  flip("data-500-"),
		"cut in half":            func(_ string, b []byte) []byte { return b[:len(b)/2] },
		"cut to a page":          func(_ string, b []byte) []byte { return b[:4096] },
		"emptied":                func(_ string, b []byte) []byte { return nil },
		"zeroed":                 func(_ string, b []byte) []byte { return make([]byte, len(b)) },
	}
	eachStore(t, func(t *testing.T, store string) {
		for name, damage := range damages {
			t.Run(name, func(t *testing.T) {
				opts := Options{Dir: t.TempDir(), Store: store}
				l := open(t, opts, 0)
				fill(t, l, 1, 500)
				l.Close()
				spoil(t, opts.Dir, store, damage)
				err := reopen(opts, 0)
				if !errors.Is(err, ErrDamaged) {
					t.Fatalf("it opens: %v", err)
				}
				if !strings.Contains(err.Error(), opts.Dir) {
					t.Errorf("the error names no file: %v", err)
				}
			})
		}
	})
}

// raft-wal takes a damaged frame for the torn write of a crash, and would drop
// all that follows. After a crash there is no record of where the log ended, so
// what was appended later must prove the damage.
func TestDamageInsideTheTailIsNoTornWrite(t *testing.T) {
	opts := Options{Dir: t.TempDir(), Store: WAL}
	l := open(t, opts, 0)
	fill(t, l, 1, 100)
	l.Close()
	if err := crashed(opts); err != nil {
		t.Fatal(err)
	}
	spoil(t, opts.Dir, WAL, func(_ string, b []byte) []byte {
		at := bytes.Index(b, []byte("data-50-"))
		clear(b[at-200 : at+8]) // frame headers, too
		return b
	})
	if err := reopen(opts, 0); !errors.Is(err, ErrDamaged) {
		t.Errorf("it opens: %v", err)
	}
}

// A write that a crash has torn was never acknowledged: it is dropped.
func TestTornLastWriteIsDropped(t *testing.T) {
	opts := Options{Dir: t.TempDir(), Store: WAL}
	l := open(t, opts, 0)
	fill(t, l, 1, 100)
	l.Close()
	if err := crashed(opts); err != nil {
		t.Fatal(err)
	}
	spoil(t, opts.Dir, WAL, func(_ string, b []byte) []byte {
		at := bytes.Index(b, []byte("data-100-"))
		clear(b[at : at+64]) // the end of the last append and its commit
		return b
	})
	l = open(t, opts, 0)
	expect(t, l, 1, 99)
	fill(t, l, 100, 120)
	l.Close()
	expect(t, open(t, opts, 0), 1, 120)
}

// crashed makes a log look as if it had not been closed in order.
func crashed(opts Options) error {
	s, err := openStable(filepath.Join(opts.Dir, "raft.db"))
	if err != nil {
		return err
	}
	return errors.Join(s.SetUint64(keyEnd, 0), s.Close())
}

func TestHoleBehindSnapshot(t *testing.T) {
	eachStore(t, func(t *testing.T, store string) {
		opts := Options{Dir: t.TempDir(), Store: store}
		l := open(t, opts, 0)
		fill(t, l, 1, 30)
		if err := l.DeleteRange(1, 20); err != nil {
			t.Fatal(err)
		}
		l.Close()
		if err := reopen(opts, 19); !errors.Is(err, ErrHole) {
			t.Errorf("entry 20 is missing: %v", err)
		}
		if err := reopen(opts, 20); err != nil {
			t.Errorf("nothing is missing: %v", err)
		}
		// A snapshot beyond the log covers it: the next entry may follow.
		l = open(t, opts, 100)
		expect(t, l, 0, 0)
		if err := l.StoreLog(entry(101, 1)); err != nil {
			t.Error(err)
		}
	})
}

// Without it, InstallSnapshot can loop on a log that diverges (hashicorp/raft
// issue 697).
func TestMonotonic(t *testing.T) {
	eachStore(t, func(t *testing.T, store string) {
		var l raft.LogStore = open(t, Options{Dir: t.TempDir(), Store: store}, 0)
		if m, ok := l.(raft.MonotonicLogStore); !ok || !m.IsMonotonic() {
			t.Error("the store does not say that it is monotonic")
		}
	})
}

// Raft reads the bounds, and then compacts, on a goroutine of its own; an installed
// snapshot may have replaced the log meanwhile.
func TestStaleCompactionTakesNothing(t *testing.T) {
	eachStore(t, func(t *testing.T, store string) {
		opts := Options{Dir: t.TempDir(), Store: store}
		l := open(t, opts, 0)
		fill(t, l, 1, 8)
		if err := l.DeleteRange(1, 8); err != nil {
			t.Fatal(err)
		}
		fill(t, l, 12, 13)
		for _, stale := range [][2]uint64{{1, 5}, {14, 20}} {
			if err := l.DeleteRange(stale[0], stale[1]); err != nil {
				t.Fatal(err)
			}
			expect(t, l, 12, 13)
		}
		fill(t, l, 14, 14)
		l.Close()
		expect(t, open(t, opts, 11), 12, 14)
	})
}

func TestFsyncsAreTold(t *testing.T) {
	eachStore(t, func(t *testing.T, store string) {
		var told []time.Duration
		l := open(t, Options{Dir: t.TempDir(), Store: store, Flushed: func(took time.Duration) { told = append(told, took) }}, 0)
		fill(t, l, 1, 3)
		if len(told) != 3 || slices.Min(told) <= 0 {
			t.Errorf("of 3 appends it tells %v", told)
		}
	})
}

func TestStoreIsFixed(t *testing.T) {
	dir := t.TempDir()
	l := open(t, Options{Dir: dir, Store: WAL}, 0)
	fill(t, l, 1, 3)
	l.Close()
	if err := reopen(Options{Dir: dir, Store: BoltDB}, 0); err == nil || errors.Is(err, ErrDamaged) {
		t.Errorf("opened with another store: %v", err)
	}
}

func TestInspectWhileOpen(t *testing.T) {
	eachStore(t, func(t *testing.T, store string) {
		dir := t.TempDir()
		l := open(t, Options{Dir: dir, Store: store}, 0)
		fill(t, l, 1, 30)
		var seen []uint64
		if err := Inspect(dir, func(log *raft.Log) error {
			seen = append(seen, log.Index)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if len(seen) != 30 || seen[0] != 1 || seen[29] != 30 {
			t.Errorf("saw %v", seen)
		}
	})
}

func TestCacheIsBoundedByBytes(t *testing.T) {
	var c cache
	var out raft.Log
	for i := range uint64(100) {
		c.add([]*raft.Log{{Index: i + 1, Data: make([]byte, 1<<20)}})
		if !c.get(i+1, &out) || out.Index != i+1 {
			t.Fatalf("the newest entry %d is not cached", i+1)
		}
		if c.bytes > cacheBytes {
			t.Fatalf("%d bytes are cached", c.bytes)
		}
	}
	if c.get(1, &out) {
		t.Error("an old entry is cached still")
	}
	c.remove(98, 100)
	if c.get(98, &out) || !c.get(97, &out) {
		t.Error("a removed suffix is cached, or what precedes it is not")
	}
	c.add([]*raft.Log{{Index: 98, Term: 9}})
	if !c.get(98, &out) || out.Term != 9 {
		t.Error("a replaced entry is not the new one")
	}
}

func FuzzDecodeEntry(f *testing.F) {
	f.Add(appendEntry(nil, entry(7, 3), 7))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var log raft.Log
		if batch, err := decodeEntry(b, &log); err == nil {
			again := appendEntry(nil, &log, batch)
			if !bytes.Equal(again, b) {
				t.Errorf("%x decodes and encodes as %x", b, again)
			}
		}
		decodeFrame(b, &log)
		laterBatch(b, 3)
		scanFrames(b, 1)
	})
}
