package transport

import (
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// slowDisk is a log that is durable up to an index, and whole when it is told.
type slowDisk struct {
	durable uint64
	whole   chan struct{}
}

func (d *slowDisk) Durable() uint64 { return d.durable }
func (d *slowDisk) WaitAllDurable() error {
	<-d.whole
	return nil
}

// A follower must not learn of a commit that counts on a leader's disk which has
// not got the entry yet: it would apply what a crash of the leader may undo.
func TestCommitIsWhatTheDiskBearsOut(t *testing.T) {
	a, b := listen(t, "c", nil), listen(t, "c", nil)
	ga, gb := a.Group(1, "a.1"), b.Group(1, "b.1")
	ga.OnDisk(&slowDisk{durable: 4})
	told := make(chan uint64, 1)
	serve(gb, func(rpc raft.RPC) {
		told <- rpc.Command.(*raft.AppendEntriesRequest).LeaderCommitIndex
		rpc.Respond(&raft.AppendEntriesResponse{RPCHeader: header, Term: 1, Success: true}, nil)
	})
	pipe, err := ga.AppendEntriesPipeline("b.1", raft.ServerAddress(b.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	for _, c := range []struct{ commit, want uint64 }{{3, 3}, {4, 4}, {7, 4}} {
		args := &raft.AppendEntriesRequest{RPCHeader: header, Term: 1, PrevLogEntry: 9, PrevLogTerm: 1, LeaderCommitIndex: c.commit}
		if err := ga.AppendEntries("b.1", raft.ServerAddress(b.Addr()), args, new(raft.AppendEntriesResponse)); err != nil {
			t.Fatal(err)
		}
		if got := <-told; got != c.want {
			t.Errorf("commit %d with a disk at 4: the follower learns %d", c.commit, got)
		}
		if _, err := pipe.AppendEntries(args, new(raft.AppendEntriesResponse)); err != nil {
			t.Fatal(err)
		}
		<-pipe.Consumer()
		if got := <-told; got != c.want {
			t.Errorf("commit %d with a disk at 4: the follower learns %d from a pipeline", c.commit, got)
		}
	}
}

// A leader that has just become a follower may have entries that are not on its
// disk: it must not vouch for them.
func TestAnswersWaitForTheDisk(t *testing.T) {
	a, b := listen(t, "c", nil), listen(t, "c", nil)
	ga, gb := a.Group(1, "a.1"), b.Group(1, "b.1")
	disk := &slowDisk{whole: make(chan struct{})}
	gb.OnDisk(disk)
	serve(gb, func(rpc raft.RPC) {
		rpc.Respond(&raft.AppendEntriesResponse{RPCHeader: header, Term: 1, LastLog: 9, Success: true}, nil)
	})
	answered := make(chan error, 1)
	go func() {
		args := &raft.AppendEntriesRequest{RPCHeader: header, Term: 1, PrevLogEntry: 9, PrevLogTerm: 1, LeaderCommitIndex: 1}
		answered <- ga.AppendEntries("b.1", raft.ServerAddress(b.Addr()), args, new(raft.AppendEntriesResponse))
	}()
	select {
	case err := <-answered:
		t.Fatalf("answered (%v) for entries that are not on disk", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(disk.whole)
	if err := <-answered; err != nil {
		t.Error(err)
	}
}
