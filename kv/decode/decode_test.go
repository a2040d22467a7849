package decode

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/kv/command"
	"raftkv/kv/fsm"
	"raftkv/kv/raftlog"
	"raftkv/kv/resp"
)

// entryOf is the bytes of an entry.
func entryOf(kind fsm.EntryKind, clock int64, commands ...[]string) []byte {
	b := fsm.AppendHeader(nil, kind, clock)
	for _, c := range commands {
		b = resp.AppendCommand(b, c...)
	}
	return b
}

func TestEntry(t *testing.T) {
	at := time.Date(2024, 5, 6, 7, 8, 9, 123e6, time.UTC)
	members := raft.EncodeConfiguration(raft.Configuration{Servers: []raft.Server{{Suffrage: raft.Nonvoter, ID: "n1.1", Address: "h:1"}}})
	cut := entryOf(fsm.Commands, 5, []string{"SET", "a", "1"}, []string{"SET", "b", "2"})
	for name, c := range map[string]struct {
		log  raft.Log
		text string
		time int64
	}{
		"commands": {
			raft.Log{Index: 7, Term: 2, Type: raft.LogCommand, Data: entryOf(fsm.Commands, at.UnixMilli(), []string{"SET", "a b", ""}, []string{"DEL", "c"})},
			"7 term 2 commands, 58 bytes, clock 2024-05-06T07:08:09.123Z\n    SET \"a b\" \"\"\n    DEL c", at.UnixNano(),
		},
		"tick":          {raft.Log{Index: 1, Term: 1, Type: raft.LogCommand, Data: entryOf(fsm.Tick, 0)}, "1 term 1 tick, 10 bytes", 0},
		"members":       {raft.Log{Index: 1, Term: 1, Type: raft.LogConfiguration, Data: members, AppendedAt: at}, "1 term 1 configuration, 41 bytes\n    n1.1 h:1 nonvoter", at.UnixNano()},
		"noop":          {raft.Log{Index: 2, Term: 1, Type: raft.LogNoop}, "2 term 1 noop, 0 bytes", 0},
		"empty":         {raft.Log{Index: 3, Type: raft.LogCommand}, "3 term 0 command, 0 bytes\n    malformed entry: it is empty", 0},
		"version":       {raft.Log{Index: 3, Type: raft.LogCommand, Data: []byte{7}}, "3 term 0 command, 1 bytes\n    entry has an unknown format version 7; this program knows 1: upgrade raftkv on this node", 0},
		"cut":           {raft.Log{Index: 3, Type: raft.LogCommand, Data: cut[:len(cut)-9]}, "3 term 0 commands, 55 bytes, clock 1970-01-01T00:00:00.005Z\n    SET a 1\n    malformed entry: incomplete command", 5e6},
		"no true clock": {raft.Log{Index: 3, Type: raft.LogCommand, Data: entryOf(fsm.Tick, 1<<62), AppendedAt: at}, "3 term 0 tick, 10 bytes, clock 146140482-04-24T15:36:27.904Z", at.UnixNano()},
	} {
		e := newEntry(&c.log)
		if got := e.Text(); got != c.text {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, c.text)
		}
		if got := e.Time(); got != c.time {
			t.Errorf("%s is of %d, want %d", name, got, c.time)
		}
	}
}

func TestKeysAndSessions(t *testing.T) {
	exec := command.AppendExec(nil, []command.Watch{{Key: []byte("watched"), Version: 3}}, [][][]byte{{[]byte("SET"), []byte("in"), []byte("1")}, {[]byte("NOSUCH"), []byte("x")}})
	var execWords []string
	if err := fsm.EachCommand(exec, func(args [][]byte) {
		for _, a := range args {
			execWords = append(execWords, string(a))
		}
	}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		words, keys []string
		session     string
	}{
		{nil, nil, ""},
		{[]string{"GET", "a"}, []string{"a"}, ""},
		{[]string{"get"}, nil, ""},
		{[]string{"MSET", "a", "1", "b", "2"}, []string{"a", "b"}, ""},
		{[]string{"NOSUCH", "a"}, nil, ""},
		{[]string{"raftkv.once", "k", "c1", "7", "SET", "k", "v"}, []string{"k"}, "c1"},
		{[]string{"RAFTKV.ONCE", "k", "c1", "7"}, []string{"k"}, ""},
		{[]string{"RAFTKV.ONCE", "k", "c1", "7", "RAFTKV.ONCE", "k", "c2", "8", "SET", "k", "v"}, []string{"k"}, "c1"},
		{execWords, []string{"watched", "in"}, ""},
		{[]string{command.ExecName, "x"}, nil, ""},
	} {
		if got := Keys(c.words); !slices.Equal(got, c.keys) {
			t.Errorf("keys of %q are %q, want %q", c.words, got, c.keys)
		}
		if got, there := Session(c.words); got != c.session || there != (c.session != "") {
			t.Errorf("%q is of session %q", c.words, got)
		}
	}
}

func TestWord(t *testing.T) {
	for word, want := range map[string]string{
		"plain": "plain", "": `""`, "a b": `"a b"`, "\x00\xff": `"\x00\xff"`, `"`: `"\""`, "é": "é",
		strings.Repeat("x", 65): strings.Repeat("x", 64) + "... (65 bytes)",
	} {
		if got := Word(word); got != want {
			t.Errorf("%q is shown as %s, want %s", word, got, want)
		}
	}
}

// TestLog reads what nodes keep, in both stores, while they run and after.
func TestLog(t *testing.T) {
	for _, store := range []string{raftlog.WAL, raftlog.BoltDB} {
		dir := t.TempDir()
		l, err := raftlog.Open(raftlog.Options{Dir: dir, Store: store})
		if err != nil {
			t.Fatal(err)
		}
		data := [][]byte{entryOf(fsm.Commands, 1, []string{"SET", "a", "1"}), entryOf(fsm.Barrier, 2), {0xff, 0}}
		for i, b := range data {
			if err := l.StoreLog(&raft.Log{Index: uint64(i + 1), Term: 3, Type: raft.LogCommand, Data: b}); err != nil {
				t.Fatal(err)
			}
		}
		look := func(when string) {
			var types []string
			err := Log(dir, func(e Entry, raw []byte) error {
				types = append(types, e.Type)
				if !bytes.Equal(raw, data[e.Index-1]) {
					t.Errorf("%s %s: entry %d is %x", store, when, e.Index, raw)
				}
				return nil
			})
			if want := []string{"commands", "barrier", "command"}; err != nil || !slices.Equal(types, want) {
				t.Errorf("%s %s: %q, %v, want %q", store, when, types, err, want)
			}
		}
		look("of a running node")
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		look("of a stopped node")
	}
}

// FuzzEntry: whatever an entry holds, it is shown, the same each time, and damage is
// told of.
func FuzzEntry(f *testing.F) {
	f.Add(uint8(raft.LogCommand), entryOf(fsm.Commands, 5, []string{"RAFTKV.ONCE", "k", "c", "1", "SET", "k", "v"}))
	f.Add(uint8(raft.LogCommand), entryOf(fsm.Commands, 5, []string{command.ExecName, "1", "k", "3"}))
	f.Add(uint8(raft.LogCommand), entryOf(fsm.Admin, -1, []string{"RAFTKV.OWN"}))
	f.Add(uint8(raft.LogCommand), entryOf(fsm.Commands, 1<<62, nil))
	f.Add(uint8(raft.LogConfiguration), raft.EncodeConfiguration(raft.Configuration{Servers: []raft.Server{{ID: "n1", Address: "h:1"}}}))
	f.Add(uint8(raft.LogConfiguration), []byte{0x81, 0xa7})
	f.Add(uint8(99), []byte{1})
	f.Fuzz(func(t *testing.T, kind uint8, data []byte) {
		log := &raft.Log{Index: 1, Term: 1, Type: raft.LogType(kind), Data: bytes.Clone(data)}
		e := newEntry(log)
		if !bytes.Equal(log.Data, data) {
			t.Error("the entry was changed")
		}
		if again := newEntry(log); !reflect.DeepEqual(e, again) {
			t.Errorf("%+v, then %+v", e, again)
		}
		for _, c := range e.Commands {
			Keys(c)
			Session(c)
		}
		if _, err := json.Marshal(e); err != nil {
			t.Error(err)
		}
		if n := strings.Count(e.Text(), "\n"); n != len(e.Details()) && kind == uint8(raft.LogCommand) && e.Problem == "" {
			t.Errorf("%d lines of details, want %d", n, len(e.Details()))
		}
		if _, err := fsm.DecodeEntry(data); err != nil && log.Type == raft.LogCommand && e.Problem == "" {
			t.Errorf("%x is shown as %q", data, e.Text())
		}
		if at := e.Time(); e.Clock > 0 != (at > 0) && at != 0 {
			t.Errorf("clock %d is time %d", e.Clock, at)
		}
	})
}

// FuzzSnapshot: a file that is no whole snapshot is an error, and nothing else.
func FuzzSnapshot(f *testing.F) {
	f.Add([]byte("no snapshot"))
	whole := filepath.Join(f.TempDir(), "state.snap")
	writeSnapshot(f, whole)
	b, err := os.ReadFile(whole)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:len(b)-1])
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "state.snap")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		var last Part
		err := Snapshot(path, func(r Record) error {
			last = r.Part
			if r.Text == "" {
				t.Errorf("a %s without text", r.Part)
			}
			return nil
		})
		if (err == nil) != (last == FooterPart) {
			t.Errorf("it ends with %q: %v", last, err)
		}
	})
}
