package group

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/kv"
	"raftkv/kv/fsm"
	"raftkv/kv/resp"
)

// raftStub takes entries and answers when it is told to.
type raftStub struct {
	mu      sync.Mutex
	entries [][]byte
	arrived chan struct{}
	release chan error // one value an entry
}

func newStub() *raftStub {
	return &raftStub{arrived: make(chan struct{}, 1000), release: make(chan error, 1000)}
}

type stubFuture struct {
	stub  *raftStub
	entry []byte
	index uint64
	once  sync.Once
	err   error
}

func (f *stubFuture) Error() error {
	f.once.Do(func() { f.err = <-f.stub.release })
	return f.err
}
func (f *stubFuture) Index() uint64 { return f.index }
func (f *stubFuture) Response() any {
	e, err := fsm.DecodeEntry(f.entry)
	if err != nil {
		return err
	}
	r := &fsm.Result{Term: 1, Index: f.index}
	fsm.EachCommand(e.Payload, func(args [][]byte) { r.Replies = append(r.Replies, kv.BulkString(string(args[0]))) })
	return r
}

func (s *raftStub) apply(entry []byte, _ time.Duration) raft.ApplyFuture {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries = append(s.entries, entry)
	s.arrived <- struct{}{}
	return &stubFuture{stub: s, entry: entry, index: uint64(len(s.entries))}
}

func startProposer(t *testing.T, s *raftStub, timeout time.Duration) *proposer {
	q := newProposer(&proposer{apply: s.apply, want: func([]byte) {}, now: func() int64 { return 1 }, timeout: timeout})
	go q.run()
	t.Cleanup(func() {
		q.close()
		for range 100 {
			s.release <- raft.ErrRaftShutdown
		}
		<-q.done
	})
	return q
}

func proposal(commands ...string) *Proposal {
	p := NewProposal()
	for _, c := range commands {
		p.Add(resp.AppendCommand(nil, c))
	}
	return p
}

// All that waits becomes one entry, one entry is in flight, and everybody gets
// the replies to their own commands.
func TestProposerCoalesces(t *testing.T) {
	s := newStub()
	q := startProposer(t, s, time.Minute)
	first := proposal("first")
	q.propose(first)
	<-s.arrived
	var waiting []*Proposal
	for i := range 50 {
		p := proposal(fmt.Sprintf("a%d", i), fmt.Sprintf("b%d", i))
		q.propose(p)
		waiting = append(waiting, p)
	}
	select {
	case <-s.arrived:
		t.Fatal("a second entry is in flight")
	default:
	}
	s.release <- nil
	first.Wait()
	<-s.arrived
	s.release <- nil
	for i, p := range waiting {
		p.Wait()
		if string(p.Replies[0].Str) != fmt.Sprintf("a%d", i) || string(p.Replies[1].Str) != fmt.Sprintf("b%d", i) {
			t.Fatalf("proposal %d got %s and %s", i, p.Replies[0].Str, p.Replies[1].Str)
		}
	}
	if len(s.entries) != 2 {
		t.Errorf("%d entries, want 2", len(s.entries))
	}
}

func TestProposerCutsEntries(t *testing.T) {
	s := newStub()
	q := startProposer(t, s, time.Minute)
	block := proposal("block")
	q.propose(block)
	<-s.arrived
	var all []*Proposal
	for range 20 {
		p := NewProposal()
		p.Add(resp.AppendCommand(nil, "SET", "k", string(make([]byte, 100<<10))))
		all = append(all, p)
		q.propose(p)
	}
	huge := NewProposal() // larger than an entry should be: it travels alone
	huge.Add(resp.AppendCommand(nil, "SET", "k", string(make([]byte, 1<<20))))
	q.propose(huge)
	for range 30 {
		s.release <- nil
	}
	for _, p := range append(all, huge) {
		p.Wait()
	}
	for i, e := range s.entries[:len(s.entries)-1] {
		if len(e) > maxEntryBytes+64 {
			t.Errorf("entry %d has %d bytes", i, len(e))
		}
	}
	if last := s.entries[len(s.entries)-1]; len(last) < 1<<20 || len(last) > 1<<20+100 {
		t.Errorf("the last entry has %d bytes: the large command does not travel alone", len(last))
	}
}

// What raft refuses before it touched its log is definite; all else is not.
func TestOutcomes(t *testing.T) {
	for err, want := range map[error]kv.ReplyError{
		raft.ErrNotLeader:                    kv.ErrNoLeader,
		raft.ErrEnqueueTimeout:               kv.ErrBusy,
		raft.ErrLeadershipTransferInProgress: kv.ErrNotReady,
		raft.ErrRaftShutdown:                 "UNCERTAIN",
		raft.ErrLeadershipLost:               "UNCERTAIN",
		raft.ErrAbortedByRestore:             "UNCERTAIN",
		errors.New("disk"):                   "UNCERTAIN",
	} {
		s := newStub()
		q := startProposer(t, s, time.Minute)
		p := proposal("x")
		q.propose(p)
		s.release <- err
		p.Wait()
		got := kv.ReplyError(p.Replies[0].Str)
		if got != want && got.Code() != string(want) {
			t.Errorf("%v is answered %q, want %q", err, got, want)
		}
	}
}

// When raft does not answer, clients are told so in time; those behind are
// refused, for nothing of theirs was done; and no second entry is in flight.
func TestProposerTimesOut(t *testing.T) {
	s := newStub()
	q := startProposer(t, s, 50*time.Millisecond)
	stuck := proposal("stuck")
	q.propose(stuck)
	<-s.arrived
	behind := proposal("behind")
	q.propose(behind)
	stuck.Wait()
	if e := kv.ReplyError(stuck.Replies[0].Str); !e.Uncertain() {
		t.Errorf("in flight: %s", e)
	}
	behind.Wait()
	if e := kv.ReplyError(behind.Replies[0].Str); e != kv.ErrBusy {
		t.Errorf("behind it: %s", e)
	}
	select {
	case <-s.arrived:
		t.Error("a second entry is in flight")
	default:
	}
	s.release <- nil
	again := proposal("again")
	q.propose(again)
	s.release <- nil
	again.Wait()
	if string(again.Replies[0].Str) != "again" {
		t.Errorf("afterwards: %s", again.Replies[0].Str)
	}
}

func TestProposerRefusesWhenFullOrClosed(t *testing.T) {
	s := newStub()
	q := startProposer(t, s, time.Minute)
	q.propose(proposal("in flight"))
	<-s.arrived
	for range maxQueued {
		q.propose(proposal("x"))
	}
	over := proposal("over")
	q.propose(over)
	over.Wait()
	if e := kv.ReplyError(over.Replies[0].Str); e != kv.ErrBusy {
		t.Errorf("a full queue: %s", e)
	}
	q.close()
	late := proposal("late")
	q.propose(late)
	late.Wait()
	if e := kv.ReplyError(late.Replies[0].Str); e != kv.ErrClosing {
		t.Errorf("a closed proposer: %s", e)
	}
}

// Clients who come back as soon as they are answered travel with those that waited
// meanwhile: otherwise two halves take turns for ever.
func TestProposerGathersTheAnswered(t *testing.T) {
	s := newStub()
	q := startProposer(t, s, time.Minute)
	prompt := NewProposal()
	ask := func() {
		prompt.Reset()
		prompt.Add(proposal("x").Commands)
		q.propose(prompt)
	}
	// It comes back at once, and the rounds take long, so that the wait may, too.
	ask()
	<-s.arrived
	time.Sleep(10 * time.Millisecond) // no condition: it is what the round takes
	s.release <- nil
	prompt.Wait()
	ask()
	<-s.arrived
	var others []*Proposal
	for range 7 {
		others = append(others, proposal("x"))
	}
	q.propose(others...)
	time.Sleep(10 * time.Millisecond)
	s.release <- nil
	prompt.Wait()
	ask()
	<-s.arrived
	s.release <- nil
	for _, p := range append(others, prompt) {
		p.Wait()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	commands := 0
	e, err := fsm.DecodeEntry(s.entries[2])
	if err != nil {
		t.Fatal(err)
	}
	fsm.EachCommand(e.Payload, func([][]byte) { commands++ })
	if len(s.entries) != 3 || commands != 8 {
		t.Errorf("%d entries, the third with %d commands; want 3 and 8", len(s.entries), commands)
	}
}
