package snapshot

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"pgregory.net/rapid"
)

// content is what a snapshot holds, and a Loader that collects it.
type content struct {
	mu       sync.Mutex
	header   Header
	meta     string
	deleted  map[uint16]uint64
	keys     map[string]string
	sessions map[string]string
}

func newContent() *content {
	return &content{deleted: make(map[uint16]uint64), keys: make(map[string]string), sessions: make(map[string]string)}
}

func (c *content) Begin(h Header, meta []byte) error {
	c.header, c.meta = h, string(meta)
	return nil
}

func (c *content) Slot(slot uint16, deleted uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deleted[slot] = deleted
	return nil
}

func (c *content) Key(slot uint16, key, value []byte, expireAt int64, changed uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys[fmt.Sprint(slot, "/", string(key))] = fmt.Sprint(string(value), "/", expireAt, "/", changed)
	return nil
}

func (c *content) Session(slot uint16, id []byte, seq uint64, active int64, reply []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sessions[fmt.Sprint(slot, "/", string(id))] = fmt.Sprint(seq, "/", active, "/", string(reply))
	return nil
}

func (c *content) Tombstone(slot uint16, key []byte, index, digest uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys[fmt.Sprint(slot, "/gone/", string(key))] = fmt.Sprint(index, "/", digest)
	return nil
}

func (c *content) equal(d *content) bool {
	return c.header == d.header && c.meta == d.meta && maps.Equal(c.deleted, d.deleted) && maps.Equal(c.keys, d.keys) && maps.Equal(c.sessions, d.sessions)
}

// write encodes slots*keys keys of size bytes, and returns what was written.
func write(w io.Writer, slots, keys, size int) (*content, error) {
	c := newContent()
	c.header, c.meta = Header{Format: format, Cluster: "c", Group: 3, Index: 77, Term: 5, Epoch: 2, Clock: 123456}, `{"a":1}`
	out := NewWriter(w, c.header, []byte(c.meta), nil)
	for s := range slots {
		slot := uint16(s * 97 % 16384)
		if s > 0 && slot < uint16((s-1)*97%16384) {
			break
		}
		out.Slot(slot, uint64(s))
		c.Slot(slot, uint64(s))
		for k := range keys {
			key, value := fmt.Appendf(nil, "key-%d-%d", s, k), bytes.Repeat([]byte{byte(k), byte(s)}, size/2)
			out.Key(key, value, int64(k), uint64(s))
			c.Key(slot, key, value, int64(k), uint64(s))
		}
		out.Tombstone([]byte("gone"), uint64(s), 1<<63)
		c.Tombstone(slot, []byte("gone"), uint64(s), 1<<63)
		out.Session("client", uint64(s), 99, []byte("+OK\r\n"))
		c.Session(slot, []byte("client"), uint64(s), 99, []byte("+OK\r\n"))
	}
	_, err := out.Close()
	return c, err
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b bytes.Buffer
		want, err := write(&b, rapid.IntRange(0, 160).Draw(t, "slots"), rapid.IntRange(0, 20).Draw(t, "keys"), rapid.SampledFrom([]int{0, 2, 100, 40000}).Draw(t, "size"))
		if err != nil {
			t.Fatal(err)
		}
		for _, read := range []func(io.Reader, Loader) (Header, Footer, error){Read, ReadInOrder} {
			got := newContent()
			header, footer, err := read(bytes.NewReader(b.Bytes()), got)
			if err != nil {
				t.Fatal(err)
			}
			if header != want.header || !got.equal(want) || int(footer.Keys)+int(footer.Sessions) != len(want.keys) {
				t.Fatalf("it holds something else: %d keys, want %d", len(got.keys), len(want.keys))
			}
		}
		v := newVerifier()
		for rest := b.Bytes(); len(rest) > 0; {
			n := min(rapid.IntRange(1, 5000).Draw(t, "piece"), len(rest))
			if _, err := v.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := v.finish(); err != nil {
			t.Fatal(err)
		}
	})
}

// Whatever bit is flipped and wherever the end is cut off: it is noticed, by the
// reader and by the verifier.
func TestEveryDamageIsFound(t *testing.T) {
	var b bytes.Buffer
	if _, err := write(&b, 20, 5, 50); err != nil {
		t.Fatal(err)
	}
	check := func(what string, damaged []byte) {
		t.Helper()
		if _, _, err := Read(bytes.NewReader(damaged), newContent()); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: the reader says %v", what, err)
		}
		v := newVerifier()
		_, err := v.Write(damaged)
		if err == nil {
			err = v.finish()
		}
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: the verifier says %v", what, err)
		}
	}
	for at := range b.Len() {
		flipped := bytes.Clone(b.Bytes())
		flipped[at] ^= 1 << (at % 8)
		check(fmt.Sprintf("bit %d of byte %d", at%8, at), flipped)
		check(fmt.Sprintf("cut at %d", at), b.Bytes()[:at])
	}
	check("one byte too many", append(bytes.Clone(b.Bytes()), 0))
}

func FuzzRead(f *testing.F) {
	var b bytes.Buffer
	if _, err := write(&b, 3, 2, 20); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _, err := Read(bytes.NewReader(data), newContent())
		v := newVerifier()
		_, verr := v.Write(data)
		if verr == nil {
			verr = v.finish()
		}
		if err == nil && verr != nil {
			t.Errorf("the reader takes what the verifier refuses: %v", verr)
		}
	})
}

func take(t *testing.T, s *Store, index uint64, finish func(raft.SnapshotSink) error) raft.SnapshotSink {
	t.Helper()
	sink, err := s.Create(1, index, 2, raft.Configuration{Servers: []raft.Server{{ID: "n1", Address: "a"}}}, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := write(sink, 5, 5, 10); err != nil {
		t.Fatal(err)
	}
	if err := finish(sink); err != nil {
		t.Fatal(err)
	}
	return sink
}

func closeSink(s raft.SnapshotSink) error  { return s.Close() }
func cancelSink(s raft.SnapshotSink) error { return s.Cancel() }

func TestStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "snapshots")
	s, err := OpenStore(dir, StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if list, err := s.List(); err != nil || len(list) != 0 || s.Newest().Index != 0 {
		t.Fatalf("a new store lists %v, %v", list, err)
	}
	for _, index := range []uint64{10, 20, 9, 300} {
		take(t, s, index, closeSink)
	}
	take(t, s, 400, cancelSink)
	for range 2 {
		list, err := s.List()
		if err != nil || len(list) != 2 || list[0].Index != 300 || list[1].Index != 20 {
			t.Fatalf("the store lists %v, %v", list, err)
		}
		if n := s.Newest(); n.Index != 300 || n.Size != list[0].Size || n.At.IsZero() {
			t.Fatalf("the newest is %+v", n)
		}
		meta, r, err := s.Open(list[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := Read(r, newContent()); err != nil || len(meta.Configuration.Servers) != 1 {
			t.Fatal(err, meta)
		}
		r.Close()
		// A crash while one was being written.
		if err := os.MkdirAll(filepath.Join(dir, "0000000000000999-0000000000000002"+tmpSuffix), 0o755); err != nil {
			t.Fatal(err)
		}
		if s, err = OpenStore(dir, StoreOptions{}); err != nil {
			t.Fatal(err)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "*"+tmpSuffix)); len(left) != 0 {
			t.Fatalf("left behind: %v", left)
		}
	}
}

// A snapshot that is being sent to a follower is read to its end, whatever
// replaces it; of others nothing is left.
func TestReplacedWhileItIsRead(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenStore(dir, StoreOptions{Retain: 1, removeStep: 64})
	if err != nil {
		t.Fatal(err)
	}
	read := take(t, s, 10, closeSink)
	_, r, err := s.Open(read.ID())
	if err != nil {
		t.Fatal(err)
	}
	for _, index := range []uint64{20, 30} {
		take(t, s, index, closeSink)
	}
	if _, _, err := Read(r, newContent()); err != nil {
		t.Errorf("the snapshot that was replaced: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// A large state goes in pieces, a small one at once, one that is damaged as well.
func TestRemove(t *testing.T) {
	for _, size := range []int64{-1, 0, 1, removeStep, removeStep + 1, 5 * removeStep} {
		dir := filepath.Join(t.TempDir(), "gone")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if path := filepath.Join(dir, stateFile); size >= 0 {
			if err := errors.Join(os.WriteFile(path, nil, 0o644), os.Truncate(path, size)); err != nil {
				t.Fatal(err)
			}
		}
		if err := remove(dir, removeStep); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%d bytes: the folder is there: %v", size, err)
		}
	}
}

// What is damaged on its way is refused before it replaces anything.
func TestSinkRefusesDamage(t *testing.T) {
	s, err := OpenStore(t.TempDir(), StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := write(&b, 5, 5, 10); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"cut off": b.Bytes()[:b.Len()-1],
		"flipped": append(bytes.Clone(b.Bytes()[:b.Len()/2]), bytes.Repeat([]byte{7}, b.Len()/2)...),
		"empty":   nil,
	} {
		sink, err := s.Create(1, 5, 1, raft.Configuration{}, 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = sink.Write(data)
		if err == nil {
			err = sink.Close()
		} else {
			sink.Cancel()
		}
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if list, err := s.List(); err != nil || len(list) != 0 {
		t.Errorf("the store lists %v, %v", list, err)
	}
}

func TestDamagedStoreDoesNotOpen(t *testing.T) {
	for name, damage := range map[string]func(dir string) (string, error){
		"cut off": func(dir string) (string, error) {
			path := filepath.Join(dir, stateFile)
			return path, os.Truncate(path, 100)
		},
		"no state": func(dir string) (string, error) {
			path := filepath.Join(dir, stateFile)
			return path, os.Remove(path)
		},
		"no meta": func(dir string) (string, error) {
			path := filepath.Join(dir, metaFile)
			return path, os.Remove(path)
		},
		"changed meta": func(dir string) (string, error) {
			path := filepath.Join(dir, metaFile)
			b, err := os.ReadFile(path)
			if err != nil {
				return path, err
			}
			return path, os.WriteFile(path, bytes.Replace(b, []byte(`"Index":20`), []byte(`"Index":21`), 1), 0o644)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s, err := OpenStore(dir, StoreOptions{})
			if err != nil {
				t.Fatal(err)
			}
			take(t, s, 10, closeSink)
			sink := take(t, s, 20, closeSink)
			path, err := damage(filepath.Join(dir, sink.ID()))
			if err != nil {
				t.Fatal(err)
			}
			// The one before it is no way out: the log may begin behind it.
			if _, err := OpenStore(dir, StoreOptions{}); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), path) {
				t.Errorf("it opens, or the error does not name %s: %v", path, err)
			}
		})
	}
}

func TestBudget(t *testing.T) {
	b := Budget{Replay: time.Second}
	for _, c := range []struct {
		name string
		p    Progress
		due  bool
	}{
		{"nothing new", Progress{ApplyTime: time.Hour, LogBytes: 1 << 40}, false},
		{"little", Progress{Entries: 1000, ApplyTime: 100 * time.Millisecond, LogBytes: 1 << 20}, false},
		{"cheap to write", Progress{Entries: 1000, ApplyTime: 400 * time.Millisecond, WriteTime: 100 * time.Millisecond}, true},
		{"dear to write", Progress{Entries: 1000, ApplyTime: 400 * time.Millisecond, WriteTime: 300 * time.Millisecond}, false},
		{"cheap, but there is nothing to gain", Progress{Entries: 1000, ApplyTime: 100 * time.Millisecond, WriteTime: time.Millisecond}, false},
		{"little, and nothing else is to be done", Progress{Entries: 1000, ApplyTime: 110 * time.Millisecond, WriteTime: 400 * time.Millisecond, Idle: time.Second}, true},
		{"idle, but dear to write", Progress{Entries: 1000, ApplyTime: 110 * time.Millisecond, WriteTime: time.Second, Idle: time.Hour}, false},
		{"idle, but there is nothing to gain", Progress{Entries: 1000, ApplyTime: 50 * time.Millisecond, Idle: time.Hour}, false},
		{"slow entries", Progress{Entries: 10, ApplyTime: 1100 * time.Millisecond}, true},
		{"many small entries", Progress{Entries: 100_000, ApplyTime: 10 * time.Millisecond, LogBytes: 10 << 20}, true},
		{"a log larger than a small state", Progress{Entries: 100, LogBytes: 129 << 20, StateBytes: 1 << 20}, true},
		{"a large state", Progress{Entries: 100, LogBytes: 129 << 20, StateBytes: 1 << 30}, false},
	} {
		due, reason := b.Due(c.p)
		if due != c.due || due != (reason != "") {
			t.Errorf("%s: %v, %q", c.name, due, reason)
		}
	}
}
