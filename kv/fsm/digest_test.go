package fsm

import (
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/raft"

	"raftkv/kv/resp"
	"raftkv/shard"
)

// digestLog is a log that leaves keys, deadlines, tombstones and sessions behind.
func digestLog() []*raft.Log {
	entry := func(index uint64, kind EntryKind, commands ...[]byte) *raft.Log {
		data := AppendHeader(nil, kind, int64(1000*index))
		for _, c := range commands {
			data = append(data, c...)
		}
		return &raft.Log{Index: index, Term: 3, Data: data}
	}
	words := func(args ...string) []byte { return resp.AppendCommand(nil, args...) }
	return []*raft.Log{
		entry(1, Admin, OwnSlots(1, shard.Range{0, shard.Slots - 1})),
		entry(2, Commands, words("SET", "a", "1"), words("SET", "b", "2", "PX", "100000"), words("SET", "gone", "x")),
		entry(3, Commands, words("DEL", "gone"), words("RAFTKV.ONCE", "a", "client", "1", "INCR", "a")),
		entry(4, Barrier),
		entry(5, Commands, words("APPEND", "b", "3")),
	}
}

func digestOf(t *testing.T, f *FSM) string {
	t.Helper()
	d, err := f.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d.Sum
}

// Replicas that have applied the same have the same digest, however they came there;
// and another one if they differ in anything.
func TestDigest(t *testing.T) {
	log := digestLog()
	a, b := New(Options{Group: 1}), New(Options{Group: 1})
	for i, l := range log {
		a.Apply(l)
		if i > 0 && digestOf(t, a) == digestOf(t, b) {
			t.Fatalf("entry %d makes no difference", l.Index)
		}
		b.Apply(l)
		if x, y := digestOf(t, a), digestOf(t, b); x != y {
			t.Fatalf("after entry %d: %s and %s", l.Index, x, y)
		}
		if i < 2 {
			continue
		}
		restored := New(Options{Group: 1})
		image, err := a.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		var sink memorySink
		if err := image.Persist(&sink); err != nil {
			t.Fatal(err)
		}
		if err := restored.Restore(io.NopCloser(&sink.Buffer)); err != nil {
			t.Fatal(err)
		}
		if x, y := digestOf(t, a), digestOf(t, restored); x != y {
			t.Errorf("after entry %d: %s, and %s when it was restored", l.Index, x, y)
		}
	}
	late := New(Options{Group: 1, LocalClock: func() int64 { return 7 }})
	once := New(Options{Group: 1, Broken: Sessions})
	for _, l := range log {
		late.Apply(l)
		once.Apply(l)
	}
	for what, f := range map[string]*FSM{"another clock": late, "no sessions": once} {
		if digestOf(t, f) == digestOf(t, a) {
			t.Errorf("%s makes no difference", what)
		}
	}
	d, err := a.Digest()
	if err != nil || d.Index != 5 || d.Term != 3 || d.Keys != 2 || len(d.Slots) != 1 || !d.Slots[0].Serves() {
		t.Errorf("%+v, %v", d, err)
	}
}

// A digest may be taken while raft takes a snapshot: each image rests by itself.
func TestImagesArePacedApart(t *testing.T) {
	var paces atomic.Int64
	f := New(Options{Group: 1, SnapshotPace: func() func() {
		paces.Add(1)
		blocks := 0 // shared by two images it would be a race
		return func() { blocks++ }
	}})
	var writing sync.WaitGroup
	for range 2 {
		writing.Go(func() {
			if _, err := f.Digest(); err != nil {
				t.Error(err)
			}
		})
	}
	writing.Wait()
	if paces.Load() != 2 {
		t.Errorf("two images had %d paces", paces.Load())
	}
}
