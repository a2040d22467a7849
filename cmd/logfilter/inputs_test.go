package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/kv/fsm"
	"raftkv/kv/raftlog"
	"raftkv/kv/resp"
	"raftkv/shard"
)

// clock is when the first entry was made, in ms since 1970.
const clock = 1714979289_123

// made is an entry as a leader makes it.
func made(index, term uint64, kind fsm.EntryKind, commands ...[]string) *raft.Log {
	at := clock + 10*int64(index)
	data := fsm.AppendHeader(nil, kind, at)
	for _, words := range commands {
		data = resp.AppendCommand(data, words...)
	}
	return &raft.Log{Index: index, Term: term, Type: raft.LogCommand, Data: data, AppendedAt: time.UnixMilli(at).UTC()}
}

func command(words ...string) []string { return words }

// keepLog writes a log into a folder. A running node's stays open.
func keepLog(t *testing.T, dir, store string, running bool, logs ...*raft.Log) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := raftlog.Open(raftlog.Options{Dir: dir, Store: store})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.StoreLogs(logs); err != nil {
		t.Fatal(err)
	}
	if !running {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

// makeRaftLogs makes the raft logs of three nodes: n1 is stopped, n2 runs and keeps
// its log in bbolt, n3 runs and was alone with its last two entries.
func makeRaftLogs(t *testing.T) {
	members := raft.EncodeConfiguration(raft.Configuration{Servers: []raft.Server{
		{Suffrage: raft.Voter, ID: "n1.1", Address: "127.0.0.1:9001"}, {Suffrage: raft.Nonvoter, ID: "n2.2", Address: "127.0.0.1:9002"},
	}})
	shared := []*raft.Log{
		{Index: 1, Term: 1, Type: raft.LogConfiguration, Data: members, AppendedAt: time.UnixMilli(clock).UTC()},
		{Index: 2, Term: 2, Type: raft.LogNoop, AppendedAt: time.UnixMilli(clock + 15).UTC()},
		made(3, 2, fsm.Barrier),
		made(4, 2, fsm.Commands, command("SET", "user:7", "two words"), command("SET", "other", "x\ny"), command("DEL", "user:7")),
		made(5, 2, fsm.Commands, command("RAFTKV.ONCE", "n", "client 1", "4", "INCR", "n")),
	}
	end := []*raft.Log{
		made(6, 4, fsm.Commands, command("SET", "user:7", "new")),
		{Index: 7, Term: 4, Type: raft.LogCommand, Data: []byte{9, 1, 2}, AppendedAt: time.UnixMilli(clock + 70).UTC()},
	}
	lost := []*raft.Log{made(6, 3, fsm.Commands, command("SET", "user:7", "old")), made(7, 3, fsm.Tick)}
	keepLog(t, "data/n1/groups/1", raftlog.WAL, false, append(shared[:5:5], end...)...)
	keepLog(t, "data/n2/groups/1", raftlog.BoltDB, true, append(shared[:5:5], end[0])...)
	keepLog(t, "data/n3/groups/1", raftlog.WAL, true, append(shared[:5:5], lost...)...)
	keepLog(t, "data/n1/groups/2", raftlog.BoltDB, false, made(1, 1, fsm.Commands, command("SET", "user:7", "of another group")))
	if err := os.MkdirAll("data/n2/groups/2.damaged-1", 0o755); err != nil { // set aside: not read
		t.Fatal(err)
	}
}

// fileSink is a snapshot that is written into a file.
type fileSink struct{ *os.File }

func (fileSink) ID() string    { return "snapshot" }
func (fileSink) Cancel() error { return nil }

// makeSnapshots makes a snapshot, one that is cut and one with a changed bit.
func makeSnapshots(t *testing.T) {
	m := fsm.New(fsm.Options{Group: 1, Cluster: "a cluster"})
	index := uint64(0)
	apply := func(kind fsm.EntryKind, payload []byte) {
		index++
		if r, ok := m.Apply(&raft.Log{Index: index, Term: 3, Type: raft.LogCommand, Data: append(fsm.AppendHeader(nil, kind, clock), payload...)}).(error); ok {
			t.Fatal(r)
		}
	}
	apply(fsm.Admin, fsm.OwnSlots(1, shard.All))
	for _, words := range [][]string{
		{"SET", "user:7", "two words"}, {"SET", "user:8", "x", "PX", "60000"}, {"RAFTKV.ONCE", "n", "client 1", "4", "INCR", "n"}, {"SET", "user:7", "newer"},
	} {
		apply(fsm.Commands, resp.AppendCommand(nil, words...))
	}
	s, err := m.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Release()
	f, err := os.Create("state.snap")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Persist(fileSink{f}); err != nil {
		t.Fatal(err)
	}
	f.Close()
	whole, err := os.ReadFile("state.snap")
	if err != nil {
		t.Fatal(err)
	}
	changed := append([]byte(nil), whole...)
	changed[len(changed)/2] ^= 4
	for name, b := range map[string][]byte{"cut.snap": whole[:len(whole)-10], "changed.snap": changed, "text.snap": fmt.Append(nil, "no snapshot\n")} {
		if err := os.WriteFile(filepath.Join(".", name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
