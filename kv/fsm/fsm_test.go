package fsm

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"sync"
	"testing"

	"github.com/hashicorp/raft"
	"pgregory.net/rapid"

	"raftkv/kv"
	"raftkv/kv/command"
	"raftkv/kv/resp"
	"raftkv/shard"
	"raftkv/shard/controller"
)

// machine is a state machine with an index that goes on.
type machine struct {
	*FSM
	index uint64
}

func newMachine() *machine {
	m := &machine{FSM: New(Options{Group: 1})}
	m.apply(Admin, 0, OwnSlots(1, shard.All))
	return m
}

// apply applies an entry of these commands and returns the replies.
func (m *machine) apply(kind EntryKind, clock int64, commands ...[]byte) []kv.Reply {
	entry := AppendHeader(nil, kind, clock)
	for _, c := range commands {
		entry = append(entry, c...)
	}
	m.index++
	m.Want(entry)
	r, ok := m.Apply(&raft.Log{Type: raft.LogCommand, Index: m.index, Term: 1, Data: entry}).(*Result)
	if !ok {
		return nil
	}
	return r.Replies
}

// What a session remembers is its own: a block of the store must not be kept for it.
func TestSessionKeepsNoMemoryOfTheStore(t *testing.T) {
	m := newMachine()
	m.do(0, "SET", "k", "value")
	m.do(0, "RAFTKV.ONCE", "k", "client", "1", "EXPIRE", "k", "100")
	m.do(0, "RAFTKV.ONCE", "k", "client", "2", "GETEX", "k")
	kept := m.state.sessions.find(shard.Slot([]byte("k")), []byte("client")).reply
	if item, _ := m.state.store.Get([]byte("k")); string(kept.Str) != "value" || &kept.Str[0] == &item.Value[0] {
		t.Errorf("the session keeps %v, whose memory is the store's", kept)
	}
}

func cmd(args ...string) []byte { return resp.AppendCommand(nil, args...) }

func (m *machine) do(clock int64, args ...string) kv.Reply {
	replies := m.apply(Commands, clock, cmd(args...))
	if len(replies) != 1 {
		panic(fmt.Sprint(args, replies))
	}
	return replies[0]
}

// memorySink is a snapshot in memory.
type memorySink struct{ bytes.Buffer }

func (*memorySink) Close() error  { return nil }
func (*memorySink) ID() string    { return "memory" }
func (*memorySink) Cancel() error { return nil }

func (m *machine) snapshot(t interface{ Fatal(...any) }) []byte {
	s, err := m.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Release()
	var sink memorySink
	if err := s.Persist(&sink); err != nil {
		t.Fatal(err)
	}
	return sink.Bytes()
}

func restored(t interface{ Fatal(...any) }, b []byte, index uint64) *machine {
	m := &machine{FSM: New(Options{Group: 1}), index: index}
	if err := m.Restore(io.NopCloser(bytes.NewReader(b))); err != nil {
		t.Fatal(err)
	}
	return m
}

func text(r kv.Reply) string { return string(resp.AppendReply(nil, &r, 3)) }

func TestOnce(t *testing.T) {
	m := newMachine()
	once := func(clock int64, client string, seq int, args ...string) string {
		return text(m.do(clock, append([]string{"RAFTKV.ONCE", "n", client, fmt.Sprint(seq)}, args...)...))
	}
	if got := once(0, "a", 1, "INCR", "n"); got != ":1\r\n" {
		t.Fatal(got)
	}
	if got := once(0, "a", 1, "INCR", "n"); got != ":1\r\n" {
		t.Error("a repeat is answered", got)
	}
	if got := once(0, "b", 1, "INCR", "n"); got != ":2\r\n" {
		t.Error("another client is answered", got)
	}
	if got := once(0, "a", 5, "INCR", "n"); got != ":3\r\n" {
		t.Error("a later number is answered", got)
	}
	if got := once(0, "a", 4, "INCR", "n"); kv.ReplyError(got[1:]).Code() != "SEQOUTDATED" {
		t.Error("an older number is answered", got)
	}
	if got := text(m.do(0, "GET", "n")); got != "$1\r\n3\r\n" {
		t.Error("n is", got)
	}
	// An error is a reply as well: it is repeated, not tried again.
	m.do(0, "SET", "n", "text")
	failed := once(0, "a", 6, "INCR", "n")
	m.do(0, "SET", "n", "7")
	if again := once(0, "a", 6, "INCR", "n"); again != failed || failed[0] != '-' {
		t.Errorf("a failed command is answered %q, then %q", failed, again)
	}
	// Sessions are in snapshots.
	m = restored(t, m.snapshot(t), m.index)
	if got := once(0, "b", 1, "INCR", "n"); got != ":2\r\n" {
		t.Error("after a snapshot a repeat is answered", got)
	}
	// And they end after an hour of log time, no sooner.
	hour := SessionIdle.Milliseconds()
	if got := once(hour-1, "b", 1, "INCR", "n"); got != ":2\r\n" {
		t.Error("shortly before its end a repeat is answered", got)
	}
	m.apply(Tick, 3*hour)
	if n := m.Sessions(); n != 0 {
		t.Error(n, "sessions after hours")
	}
}

func TestExecIsAtomic(t *testing.T) {
	m := newMachine()
	m.do(0, "SET", "{x}a", "1")
	exec := func(watches []command.Watch, commands ...[]string) kv.Reply {
		var raw [][][]byte
		for _, c := range commands {
			var args [][]byte
			for _, a := range c {
				args = append(args, []byte(a))
			}
			raw = append(raw, args)
		}
		return m.apply(Commands, 0, command.AppendExec(nil, watches, raw))[0]
	}
	version := m.state.store.Version([]byte("{x}a"))
	watch := []command.Watch{{Key: []byte("{x}a"), Version: version}}
	if r := exec(watch, []string{"INCR", "{x}a"}, []string{"GET", "{x}a"}); text(r) != "*2\r\n:2\r\n$1\r\n2\r\n" {
		t.Error(text(r))
	}
	if r := exec(watch, []string{"INCR", "{x}a"}); r.Kind != kv.NilArray {
		t.Error("a changed key does not abort:", text(r))
	}
	if r := exec(nil, []string{"SET", "{x}a", "t"}, []string{"INCR", "{x}a"}, []string{"SET", "{x}b", "1"}); len(r.Elems) != 3 || r.Elems[1].Kind != kv.Error || r.Elems[2].Kind == kv.Error {
		t.Error("an error in the middle:", text(r))
	}
}

func TestUnservedSlots(t *testing.T) {
	m := &machine{FSM: New(Options{Group: 1})}
	if r := m.do(0, "SET", "a", "1"); kv.ReplyError(r.Str) != kv.ErrUnserved {
		t.Error(text(r))
	}
	slot := shard.Slot([]byte("a"))
	m.apply(Admin, 0, OwnSlots(1, shard.Range{slot, slot}))
	if r := m.do(0, "SET", "a", "1"); r.Kind == kv.Error || !m.Serves(slot) || m.Serves(slot+1) {
		t.Error(text(r))
	}
	if r := m.do(0, "SET", "b", "1"); kv.ReplyError(r.Str) != kv.ErrUnserved {
		t.Error(text(r))
	}
}

// Clients cannot send what only nodes may.
func TestAdminCommandsAreNotForClients(t *testing.T) {
	m := newMachine()
	for _, c := range [][]byte{LimitValue(5), Control(controller.SetBalance(true)), OwnSlots(9, shard.All)} {
		if r := m.apply(Commands, 0, c)[0]; r.Kind != kv.Error {
			t.Errorf("%q: %s", c, text(r))
		}
	}
}

// Entries that do not decode are answered alike everywhere and change nothing;
// those of a newer version stop the replica.
func TestStrangeEntries(t *testing.T) {
	m := newMachine()
	m.do(0, "SET", "a", "1")
	before := m.snapshot(t)
	for _, data := range [][]byte{{}, {entryVersion, 1, 0}} {
		m.index++
		if err, ok := m.Apply(&raft.Log{Type: raft.LogCommand, Index: m.index, Data: data}).(error); !ok || m.Err() != nil {
			t.Errorf("%x: %v, %v", data, err, m.Err())
		}
	}
	if r := m.apply(Commands, 0, []byte("*1\r\n$99999\r\nx"))[0]; r.Kind != kv.Error {
		t.Error(text(r))
	}
	if got := restored(t, before, m.index).do(0, "GET", "a"); text(got) != text(m.do(0, "GET", "a")) {
		t.Error("the state changed")
	}
	var fatal error
	m.opts.Fatal = func(err error) { fatal = err }
	m.Apply(&raft.Log{Type: raft.LogCommand, Index: m.index + 1, Data: []byte{99, 1, 0, 0, 0, 0, 0, 0, 0, 0}})
	if m.Err() == nil || fatal == nil {
		t.Error("an entry of another version is applied")
	}
	if _, err := m.Snapshot(); err == nil {
		t.Error("a replica that has stopped takes a snapshot")
	}
}

// A restore that fails changes nothing, and raft must not go on with an older
// snapshot.
func TestFailedRestoreIsFinal(t *testing.T) {
	m := newMachine()
	m.do(0, "SET", "a", "1")
	b := m.snapshot(t)
	damaged := bytes.Clone(b)
	damaged[len(damaged)/2] ^= 1
	if err := m.Restore(io.NopCloser(bytes.NewReader(damaged))); err == nil {
		t.Fatal("a damaged snapshot is restored")
	}
	if err := m.Restore(io.NopCloser(bytes.NewReader(b))); err == nil {
		t.Error("after a failed restore another one succeeds")
	}
}

// Replicas that apply the same entries hold the same state, whoever wants
// replies, and whether they got a snapshot in between.
func TestReplicasAreEqual(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		leader, follower := newMachine(), newMachine()
		clock := int64(1000)
		for range rapid.IntRange(1, 40).Draw(t, "entries") {
			clock += rapid.Int64Range(-50, 200).Draw(t, "elapsed") // clocks go back, log time does not
			var commands [][]byte
			for range rapid.IntRange(0, 4).Draw(t, "commands") {
				commands = append(commands, drawCommand(t))
			}
			kind := rapid.SampledFrom([]EntryKind{Commands, Commands, Commands, Tick, Barrier}).Draw(t, "kind")
			leader.apply(kind, clock, commands...)
			entry := AppendHeader(nil, kind, clock)
			for _, c := range commands {
				entry = append(entry, c...)
			}
			follower.index++
			follower.Apply(&raft.Log{Type: raft.LogCommand, Index: follower.index, Term: 1, Data: entry})
			if rapid.IntRange(0, 9).Draw(t, "snapshot") == 0 {
				follower = restored(t, leader.snapshot(t), leader.index)
			}
		}
		if a, b := leader.snapshot(t), follower.snapshot(t); !bytes.Equal(a, b) {
			t.Fatalf("the replicas differ:\n%q\n%q", a, b)
		}
		if a, b := leader.Memory(), follower.Memory(); a != b {
			t.Fatalf("their memory is %d and %d", a, b)
		}
	})
}

func drawCommand(t *rapid.T) []byte {
	key := rapid.SampledFrom([]string{"a", "b", "{a}1", "{a}2", "c"}).Draw(t, "key")
	switch rapid.IntRange(0, 8).Draw(t, "command") {
	case 0:
		return cmd("SET", key, rapid.StringN(0, 5, -1).Draw(t, "value"))
	case 1:
		return cmd("SET", key, "v", "PX", fmt.Sprint(rapid.IntRange(1, 300).Draw(t, "ttl")))
	case 2:
		return cmd("DEL", key)
	case 3:
		return cmd("INCR", key)
	case 4:
		return cmd("APPEND", key, "x")
	case 5:
		return cmd("GET", key)
	case 6:
		return cmd("RAFTKV.ONCE", key, rapid.SampledFrom([]string{"c1", "c2"}).Draw(t, "client"), fmt.Sprint(rapid.IntRange(1, 9).Draw(t, "seq")), "APPEND", key, "o")
	case 7:
		return cmd("PEXPIRE", key, fmt.Sprint(rapid.IntRange(-5, 300).Draw(t, "ttl")))
	}
	return cmd("NONSENSE", key)
}

// A snapshot shows the state of its moment, however it is written beside
// entries that go on.
func TestSnapshotBesideApply(t *testing.T) {
	m := newMachine()
	for i := range 2000 {
		m.do(0, "SET", fmt.Sprint("k", i), "old")
	}
	image, err := m.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	index := m.index
	var writing sync.WaitGroup
	var sink memorySink
	writing.Go(func() {
		if err := image.Persist(&sink); err != nil {
			t.Error(err)
		}
	})
	for i := range 2000 {
		m.do(0, "SET", fmt.Sprint("k", i), "new")
		m.do(0, "DEL", fmt.Sprint("k", i+1))
	}
	writing.Wait()
	got := restored(t, sink.Bytes(), index)
	if got.Keys() != 2000 || got.Applied() != index {
		t.Fatalf("%d keys at %d", got.Keys(), got.Applied())
	}
	for i := range 2000 {
		if r := got.do(0, "GET", fmt.Sprint("k", i)); string(r.Str) != "old" {
			t.Fatalf("k%d is %s", i, r.Str)
		}
	}
}

func FuzzDecodeEntry(f *testing.F) {
	f.Add(append(AppendHeader(nil, Commands, 5), cmd("SET", "a", "1")...))
	f.Fuzz(func(t *testing.T, data []byte) {
		m := newMachine()
		if e, err := DecodeEntry(data); err == nil && e.Clock > math.MaxInt64/2 {
			return
		}
		m.index++
		m.Apply(&raft.Log{Type: raft.LogCommand, Index: m.index, Term: 1, Data: data})
	})
}
