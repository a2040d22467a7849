package raftlog

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	"pgregory.net/rapid"
)

func openOfSegments(t rapid.TB, dir string, size int) *walStore {
	t.Helper()
	s, err := openWAL(dir, size, nil, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// seen is an entry that was read, and what it must go on being.
type seen struct {
	log  raft.Log
	want string
}

func (s seen) check(t rapid.TB) {
	t.Helper()
	if string(s.log.Data) != s.want {
		t.Fatalf("entry %d is %.20q of %d bytes, want %.20q of %d", s.log.Index, s.log.Data, len(s.log.Data), s.want, len(s.want))
	}
}

// Whatever is appended, cut off and read in whatever order, over several segments
// and with entries larger than a window: what is read is what was written, and goes
// on being it when more is read.
func TestReadAheadModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "raftkv-readahead-")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		const size = 128 << 10 // of a segment
		s := openOfSegments(t, dir, size)
		defer func() { s.Close() }()
		model := make(map[uint64]string)
		first, last, term := uint64(1), uint64(0), uint64(1)
		var kept []seen
		get := func(index uint64) {
			e := seen{want: model[index]}
			if err := s.GetLog(index, &e.log); err != nil {
				t.Fatalf("entry %d of %d..%d: %v", index, first, last, err)
			}
			e.check(t)
			kept = append(kept, e)
		}
		// Shapes of entries: many small ones, some of the size of a window.
		sizes := rapid.SampledFrom([]int{0, 1, 30, 31, 500, 20_000, 70_000, 300_000})
		for range rapid.IntRange(1, 15).Draw(t, "steps") {
			switch rapid.IntRange(0, 6).Draw(t, "step") {
			case 0, 1:
				var logs []*raft.Log
				for range rapid.IntRange(1, 12).Draw(t, "n") {
					last++
					data := fmt.Appendf(nil, "%d-%d-", last, term)
					data = append(data, bytes.Repeat([]byte{byte(last)}, sizes.Draw(t, "size"))...)
					logs = append(logs, &raft.Log{Index: last, Term: term, Data: data})
					model[last] = string(data)
				}
				if err := s.StoreLogs(logs); err != nil {
					t.Fatal(err)
				}
			case 2:
				if last > first {
					to := rapid.Uint64Range(first, last-1).Draw(t, "to")
					if err := s.DeleteRange(first, to); err != nil {
						t.Fatal(err)
					}
					first = to + 1
				}
			case 3:
				if last > first {
					from := rapid.Uint64Range(first+1, last).Draw(t, "from")
					if err := s.DeleteRange(from, last); err != nil {
						t.Fatal(err)
					}
					last, term = from-1, term+1
				}
			case 4:
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = openOfSegments(t, dir, size)
			case 5: // some in a row
				if last >= first {
					from := rapid.Uint64Range(first, last).Draw(t, "from")
					for i := from; i <= min(last, from+20); i++ {
						get(i)
					}
				}
			case 6: // all, as when a node starts
				next := first
				if last < first {
					break
				}
				if err := s.each(first, last, func(log *raft.Log) error {
					seen{*log, model[next]}.check(t)
					next++
					return nil
				}); err != nil || next != last+1 {
					t.Fatalf("%d..%d were read up to %d: %v", first, last, next, err)
				}
			}
		}
		for _, e := range kept {
			e.check(t)
		}
	})
}

// A node that starts reads its whole log without raft-wal, in all segments.
func TestReadAheadReads(t *testing.T) {
	dir := t.TempDir()
	s := openOfSegments(t, dir, 64<<10)
	for i := uint64(1); i <= 100; i++ {
		if err := s.StoreLogs([]*raft.Log{{Index: i, Term: 1, Data: make([]byte, 3000)}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.DeleteRange(1, 7); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = openOfSegments(t, dir, 64<<10)
	defer s.Close()
	if n := len(s.meta.segments()); n < 4 {
		t.Fatalf("there are %d segments", n)
	}
	ahead := s.reader(7)
	defer ahead.forget()
	var log raft.Log
	for i := uint64(8); i <= 100; i++ {
		if !ahead.get(i, &log) || log.Index != i {
			t.Fatalf("entry %d was not read", i)
		}
	}
	if ahead.get(101, &log) {
		t.Error("an entry behind the end was read")
	}
}

// A crash leaves parts of the append that it has torn behind the end of the log, whole
// entries among them. They must not be taken for those that are appended later, though
// they have the same index and lie where the next one is expected.
func TestTornEntriesAreNotReadAhead(t *testing.T) {
	big := bytes.Repeat([]byte("6"), 1000)
	for name, c := range map[string]struct {
		six    int // bytes of the new entry 6
		before []uint64
		after  []uint64
	}{
		// A frame of 8 bytes less, and a commit of 8 bytes: the old entry 7 is next.
		"in what was read ahead before":             {six: len(big) - 8, before: []uint64{1, 2, 3, 4, 5, 6}, after: []uint64{7}},
		"where entries lay when the log was opened": {six: 100, after: []uint64{6, 7}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openOfSegments(t, dir, 64<<10)
			for i := uint64(1); i <= 5; i++ {
				if err := s.StoreLogs([]*raft.Log{entry(i, 1)}); err != nil {
					t.Fatal(err)
				}
			}
			torn := []*raft.Log{{Index: 6, Term: 1, Data: big}, entry(7, 1)}
			if err := s.StoreLogs(torn); err != nil {
				t.Fatal(err)
			}
			files, err := s.files()
			if err != nil || len(files) != 1 {
				t.Fatal(files, err)
			}
			s.Close()
			b, err := os.ReadFile(files[0])
			if err != nil {
				t.Fatal(err)
			}
			clear(b[bytes.Index(b, big)+500:][:100])
			if err := os.WriteFile(files[0], b, 0o600); err != nil {
				t.Fatal(err)
			}

			s = openOfSegments(t, dir, 64<<10)
			defer s.Close()
			if last := s.lastOnDisk(); last != 5 {
				t.Fatalf("the log ends at %d", last)
			}
			if err := s.StoreLogs([]*raft.Log{{Index: 6, Term: 2, Data: big[:c.six]}}); err != nil {
				t.Fatal(err)
			}
			var log raft.Log
			for _, i := range c.before {
				if err := s.GetLog(i, &log); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.StoreLogs([]*raft.Log{{Index: 7, Term: 2, Data: []byte("another one")}}); err != nil {
				t.Fatal(err)
			}
			for _, i := range c.after {
				if err := s.GetLog(i, &log); err != nil || log.Term != 2 {
					t.Errorf("entry %d is of term %d: %v", i, log.Term, err)
				}
			}
		})
	}
}

// While raft looks through the log for members it gets what lies there, and what it
// keeps stays as it is; afterwards it may keep everything.
func TestStarting(t *testing.T) {
	eachStore(t, func(t *testing.T, store string) {
		opts := Options{Dir: t.TempDir(), Store: store}
		l := open(t, opts, 0)
		var logs []*raft.Log
		for i := uint64(1); i <= 300; i++ {
			log := entry(i, 1)
			log.Data = append(log.Data, make([]byte, 1000)...)
			if i%100 == 0 {
				log.Type = raft.LogConfiguration
			}
			logs = append(logs, log)
		}
		if err := l.StoreLogs(logs); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		for name, order := range map[string]func(yield func(index uint64) bool){
			"as NewRaft does it": func(yield func(uint64) bool) {
				for i := uint64(11); i <= 300 && yield(i); i++ {
				}
			},
			"with a leap": func(yield func(uint64) bool) {
				for i := uint64(11); i <= 300 && yield(i); i += 1 + i/200 {
				}
			},
			"from elsewhere": func(yield func(uint64) bool) {
				for i := uint64(1); i <= 300 && yield(i); i++ {
				}
			},
		} {
			t.Run(name, func(t *testing.T) {
				l := open(t, opts, 0)
				defer l.Close()
				l.Starting(10)
				var kept []raft.Log
				get := func(index uint64, keep bool) {
					var log raft.Log
					if err := l.GetLog(index, &log); err != nil || log.Index != index || !bytes.Equal(log.Data, logs[index-1].Data) {
						t.Fatalf("entry %d is %d, %.20q: %v", index, log.Index, log.Data, err)
					}
					if keep || log.Type == raft.LogConfiguration {
						kept = append(kept, log)
					}
				}
				get(300, true)
				expected := uint64(11)
				for i := range order {
					get(i, i != expected)
					expected = i + 1
				}
				for range 2 { // raft runs
					for i := uint64(11); i <= 300; i++ {
						get(i, true)
					}
				}
				l.Started()
				for i := range kept {
					if want := logs[kept[i].Index-1]; !bytes.Equal(kept[i].Data, want.Data) {
						t.Errorf("entry %d has become %.20q", want.Index, kept[i].Data)
					}
				}
			})
		}
	})
}

// An append that fills a segment, and what follows from a conflict with the leader or
// from a snapshot right behind it: raft-wal 0.4.0 mixes up the segments.
func TestDeleteBehindAFullSegment(t *testing.T) {
	for range 20 {
		s := openOfSegments(t, t.TempDir(), 64<<10)
		var logs []*raft.Log
		for i := uint64(1); i <= 3; i++ {
			logs = append(logs, &raft.Log{Index: i, Term: 1, Data: make([]byte, 30_000)})
		}
		for _, from := range []uint64{2, 1} { // the end, and all
			if err := s.StoreLogs(logs); err != nil {
				t.Fatal(err)
			}
			if err := s.DeleteRange(from, 3); err != nil {
				t.Fatal(err)
			}
			if err := s.StoreLogs(logs[from-1:]); err != nil {
				t.Fatal(err)
			}
			if err := s.DeleteRange(1, 3); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A crash right behind an append that fills a segment, or in it: raft-wal 0.4.0 appends
// nothing any more, unless what it has left undone is done.
func TestCrashBehindAFullSegment(t *testing.T) {
	for name, torn := range map[string]bool{"behind it": false, "in it": true} {
		t.Run(name, func(t *testing.T) {
			dir, saved := t.TempDir(), t.TempDir()
			s := openOfSegments(t, dir, 64<<10)
			store := func(s *walStore, index uint64, size int) {
				t.Helper()
				if err := s.StoreLogs([]*raft.Log{{Index: index, Term: 1, Data: bytes.Repeat([]byte{byte(index)}, size)}}); err != nil {
					t.Fatal(err)
				}
			}
			store(s, 1, 1000)
			s.settle()
			// The files as they are before raft-wal records the seal, and the segment as it is
			// then.
			meta, err := os.ReadFile(dir + "/wal-meta.db")
			if err != nil {
				t.Fatal(err)
			}
			segments := s.meta.segments()
			path := dir + "/" + segmentName(segments[len(segments)-1])
			store(s, 2, 70_000)
			s.Close()
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			last := uint64(2)
			if torn {
				b[2000] ^= 1 // in entry 2
				last = 1
			}
			for name, content := range map[string][]byte{"wal-meta.db": meta, segmentName(segments[len(segments)-1]): b} {
				if err := os.WriteFile(saved+"/"+name, content, 0o600); err != nil {
					t.Fatal(err)
				}
			}

			for range 2 {
				s = openOfSegments(t, saved, 64<<10)
				if got := s.lastOnDisk(); got != last {
					t.Fatalf("the log ends at %d, not %d", got, last)
				}
				last++
				store(s, last, 10)
				var log raft.Log
				for i := uint64(1); i <= last; i++ {
					if err := s.GetLog(i, &log); err != nil || log.Index != i || log.Data[0] != byte(i) {
						t.Fatalf("entry %d: %v, %v", i, err, log.Index)
					}
				}
				s.Close()
			}
		})
	}
}
