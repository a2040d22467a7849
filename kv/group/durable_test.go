package group

import (
	"errors"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/kv/fsm"
	"raftkv/kv/raftlog"
)

// stuckDisk holds appends back until it is released, with an error or without.
type stuckDisk struct{ release chan error }

func (d *stuckDisk) Before(operation string) error {
	if operation == "append" {
		return <-d.release
	}
	return nil
}

func (d *stuckDisk) Torn() (float64, func(), bool) { return 0, nil, false }

func (d *stuckDisk) Free() (uint64, bool) { return 0, false }

func stuckLog(t *testing.T) (*raftlog.Log, *stuckDisk) {
	disk := &stuckDisk{release: make(chan error, 1)}
	log, err := raftlog.Open(raftlog.Options{Dir: t.TempDir(), Faults: disk, Early: func() bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	if err := log.Check(0); err != nil {
		t.Fatal(err)
	}
	return log, disk
}

// Raft commits an entry when followers have it although the leader's disk has
// not. Nobody may see it before the leader's has it, too.
func TestNothingIsAppliedBeforeItIsOnDisk(t *testing.T) {
	log, disk := stuckLog(t)
	machine := durableFSM{FSM: fsm.New(fsm.Options{Group: 1}), log: log}
	entry := &raft.Log{Index: 1, Term: 1, Type: raft.LogCommand, Data: fsm.AppendHeader(nil, fsm.Tick, 1)}
	if err := log.StoreLog(entry); err != nil {
		t.Fatal(err)
	}
	applied := make(chan any, 1)
	go func() { applied <- machine.Apply(entry) }()
	select {
	case <-applied:
		t.Fatal("applied before it was on disk")
	case <-time.After(20 * time.Millisecond):
	}
	if machine.Applied() != 0 {
		t.Error("seen as applied before it was on disk")
	}
	disk.release <- nil
	if _, ok := (<-applied).(*fsm.Result); !ok || machine.Applied() != 1 {
		t.Errorf("applied up to %d once it was on disk", machine.Applied())
	}
}

func TestNothingIsAppliedThatTheDiskRefused(t *testing.T) {
	log, disk := stuckLog(t)
	machine := durableFSM{FSM: fsm.New(fsm.Options{Group: 1}), log: log}
	entry := &raft.Log{Index: 1, Term: 1, Type: raft.LogCommand, Data: fsm.AppendHeader(nil, fsm.Tick, 1)}
	if err := log.StoreLog(entry); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("input/output error")
	disk.release <- broken
	if err, _ := machine.Apply(entry).(error); !errors.Is(err, broken) || machine.Applied() != 0 {
		t.Errorf("answer %v, applied up to %d", err, machine.Applied())
	}
}
