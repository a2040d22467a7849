package decode

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/raft"

	"raftkv/kv/fsm"
	"raftkv/shard"
)

type fileSink struct{ *os.File }

func (fileSink) ID() string    { return "snapshot" }
func (fileSink) Cancel() error { return nil }

var _ raft.SnapshotSink = fileSink{}

// writeSnapshot writes that of a state machine with two keys and a session.
func writeSnapshot(t testing.TB, path string) {
	t.Helper()
	m := fsm.New(fsm.Options{Group: 2})
	own := append(fsm.AppendHeader(nil, fsm.Admin, 0), fsm.OwnSlots(1, shard.All)...)
	for i, data := range [][]byte{own, entryOf(fsm.Commands, 7, []string{"SET", "a", "1", "PX", "9"}), entryOf(fsm.Commands, 8, []string{"RAFTKV.ONCE", "n", "c", "4", "INCR", "n"})} {
		if err, failed := m.Apply(&raft.Log{Index: uint64(i + 1), Term: 1, Type: raft.LogCommand, Data: data}).(error); failed {
			t.Fatal(err)
		}
	}
	s, err := m.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Release()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := s.Persist(fileSink{f}); err != nil {
		t.Fatal(err)
	}
}

func TestSnapshot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.snap")
	writeSnapshot(t, path)
	read := func() (parts, texts []string, err error) {
		err = Snapshot(path, func(r Record) error {
			parts = append(parts, string(r.Part)+" "+r.Name)
			texts = append(texts, r.Text)
			return nil
		})
		return parts, texts, err
	}
	parts, texts, err := read()
	if want := []string{"header ", "slot ", "key n", "session c", "slot ", "key a", "footer "}; err != nil || !slices.Equal(parts, want) {
		t.Fatalf("%q, %v, want %q", parts, err, want)
	}
	for i, want := range map[int]string{0: "group 2 at index 3, term 1", 2: "  n = 1, changed at 3", 3: `  session c, sequence 4, reply ":1\r\n"`, 5: "  a = 1, changed at 2, expires at 16 ms", 6: "whole: 2 keys, 1 sessions"} {
		if !strings.HasPrefix(texts[i], want) {
			t.Errorf("record %d is %q, want %q", i, texts[i], want)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-3] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if parts, _, err := read(); err == nil || !strings.Contains(err.Error(), path) || slices.Contains(parts, "footer ") {
		t.Errorf("a damaged snapshot is %q, %v", parts, err)
	}
}
