package group

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"raftkv/kv/fsm"
	"raftkv/kv/raftlog"
	"raftkv/kv/resp"
	"raftkv/kv/store"
	"raftkv/shard"
)

// A replica whose group has no leader applies what its log proves to be committed, and no
// more; raft knows the members, and where to go on.
func TestReplayNeedsNoLeader(t *testing.T) {
	network := listenTransport(t, "n1")

	dir := t.TempDir()
	members := raft.Configuration{Servers: []raft.Server{
		{ID: "n1.1", Address: raft.ServerAddress(network.Addr())}, {ID: "n2.1", Address: "127.0.0.1:1"}, {ID: "n3.1", Address: "127.0.0.1:2"},
	}}
	set := func(index uint64, value string) *raft.Log {
		data := append(fsm.AppendHeader(nil, fsm.Commands, 1), resp.AppendCommand(nil, "SET", "key", value)...)
		return &raft.Log{Index: index, Term: 1, Type: raft.LogCommand, Data: data, Extensions: raftlog.Claim(index - 1)}
	}
	log, err := raftlog.Open(raftlog.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(log.Check(0), log.SetUint64([]byte("CurrentTerm"), 1), log.StoreLogs([]*raft.Log{
		{Index: 1, Term: 1, Type: raft.LogConfiguration, Data: raft.EncodeConfiguration(members)},
		{Index: 2, Term: 1, Type: raft.LogNoop},
		{Index: 3, Term: 1, Type: raft.LogCommand, Data: append(fsm.AppendHeader(nil, fsm.Admin, 1), fsm.OwnSlots(1, shard.All)...)},
		set(4, "old"), set(5, "committed"), set(6, "in flight"),
	}), log.Close())
	if err != nil {
		t.Fatal(err)
	}

	g, err := Open(Config{
		ID: 1, Cluster: "c", Node: "n1", Replica: "n1.1", Dir: dir, Timing: Timings["local"],
		Transport: network.Group(1, "n1.1"), Log: raftlog.Options{Logger: hclog.NewNullLogger()},
		Fatal: func(err error) { t.Error(err) }, Now: time.Now,
		Logger: slog.New(slog.DiscardHandler), RaftLog: hclog.NewNullLogger(),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if err := g.replay.wait(); err != nil {
		t.Fatal(err)
	}
	var value string
	g.View(func(s *store.Store) {
		item, _ := s.Get([]byte("key"))
		value = string(item.Value)
	})
	if g.State().Applied() != 5 || value != "committed" {
		t.Errorf("applied up to %d, and the key holds %q", g.State().Applied(), value)
	}
	if g.raft.AppliedIndex() != 5 || g.raft.LastIndex() != 6 || len(g.Servers()) != 3 {
		t.Errorf("raft has applied up to %d of %d, and knows %v", g.raft.AppliedIndex(), g.raft.LastIndex(), g.Servers())
	}
	if status := g.Status("n1"); status.Commit != 5 {
		t.Errorf("it says that the log is committed up to %d", status.Commit)
	}
	if g.Leader() != "" {
		t.Errorf("%s leads", g.Leader())
	}
}

// Before the log is replayed, raft's entries wait, and a leader tells of no commit; if it
// cannot be replayed, nothing is applied behind it.
func TestNothingOvertakesTheReplay(t *testing.T) {
	log, disk := stuckLog(t)
	disk.release <- nil
	entry := &raft.Log{Index: 1, Term: 1, Type: raft.LogCommand, Data: fsm.AppendHeader(nil, fsm.Tick, 1)}
	if err := log.StoreLog(entry); err != nil {
		t.Fatal(err)
	}
	if err := log.WaitAllDurable(); err != nil {
		t.Fatal(err)
	}
	for _, failure := range []error{nil, errors.New("input/output error")} {
		r := newReplay()
		machine := durableFSM{FSM: fsm.New(fsm.Options{Group: 1}), log: log, replay: r}
		applied := make(chan any, 1)
		go func() { applied <- machine.Apply(entry) }()
		select {
		case <-applied:
			t.Fatal("applied before the log was replayed")
		case <-time.After(20 * time.Millisecond):
		}
		if n := (told{log, r}).Durable(); n != 0 {
			t.Errorf("followers may learn of commits up to %d", n)
		}
		r.finish(failure)
		answer := <-applied
		if err, _ := answer.(error); !errors.Is(err, failure) || failure == nil && machine.Applied() != 1 || failure != nil && machine.Applied() != 0 {
			t.Errorf("with %v: answer %v, applied up to %d", failure, answer, machine.Applied())
		}
		if n := (told{log, r}).Durable(); n != 1 {
			t.Errorf("followers may learn of commits up to %d", n)
		}
		if _, err := machine.Snapshot(); !errors.Is(err, failure) {
			t.Errorf("with %v: a snapshot: %v", failure, err)
		}
	}
}
