package raftlog

import (
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// Without the rule Fsync entries count before they are in the file, and those that
// change the membership do not: a replica that lost them would not know its group.
func TestWithoutFsync(t *testing.T) {
	l, err := Open(Options{Dir: t.TempDir(), Broken: Fsync})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.StoreLog(&raft.Log{Index: 1, Term: 1, Type: raft.LogConfiguration, Data: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	inFile := func() uint64 {
		last, err := l.entries.LastIndex()
		if err != nil {
			t.Fatal(err)
		}
		return last
	}
	if got := inFile(); got != 1 {
		t.Errorf("the file ends at %d, want 1", got)
	}
	start := time.Now()
	if err := l.StoreLog(&raft.Log{Index: 2, Term: 1, Data: []byte("y")}); err != nil {
		t.Fatal(err)
	}
	if err := l.WaitDurable(2); err != nil || l.Durable() != 2 {
		t.Errorf("it does not count: %v", err)
	}
	if got := inFile(); got != 1 && time.Since(start) < writeBack {
		t.Errorf("the file ends at %d already", got)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// Without the rule OneVote a replica does not remember that it has voted.
func TestWithoutOneVote(t *testing.T) {
	for _, broken := range []Rules{0, OneVote} {
		l, err := Open(Options{Dir: t.TempDir(), Broken: broken})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if err := l.SetUint64([]byte(keyVoteTerm), 7); err != nil {
			t.Fatal(err)
		}
		if err := l.Set([]byte(keyVoteCandidate), []byte("n2")); err != nil {
			t.Fatal(err)
		}
		term, err := l.GetUint64([]byte(keyVoteTerm))
		if err != nil || (term == 7) != (broken == 0) {
			t.Errorf("rules %b are broken: voted in term %d, %v", broken, term, err)
		}
	}
}
