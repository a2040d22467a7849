package group

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"raftkv/kv/raftlog"
)

// A crash between raft's first term and its first entry, or a vote for a founder that
// came earlier, leaves a term and nothing else. The group is founded all the same, and
// the term is not set back: a vote in it may have been given.
func TestFoundWithATermAlone(t *testing.T) {
	for _, term := range []uint64{1, 7} {
		dir := t.TempDir()
		log, err := raftlog.Open(raftlog.Options{Dir: dir, Logger: hclog.NewNullLogger()})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(log.SetUint64([]byte("CurrentTerm"), term), log.Close()); err != nil {
			t.Fatal(err)
		}
		g := openAloneIn(t, dir)
		if got := g.Term(); got <= term {
			t.Errorf("it leads in term %d and has been in %d", got, term)
		}
		g.Close()
	}
}

// A replica that shall have something tells when it has nothing; one that was founded is
// not founded again.
func TestNotEmpty(t *testing.T) {
	dir, network := t.TempDir(), listenTransport(t, "n1")
	open := func(founders ...raft.Server) error {
		g, err := Open(Config{
			ID: 1, Cluster: "c", Node: "n1", Replica: "n1.1", Dir: dir, Timing: Timings["local"],
			Transport: network.Group(1, "n1.1"),
			Log:       raftlog.Options{Logger: hclog.NewNullLogger()},
			Founders:  founders, NotEmpty: len(founders) == 0,
			Now: time.Now, Logger: slog.New(slog.DiscardHandler), RaftLog: hclog.NewNullLogger(),
		})
		if err == nil {
			if len(g.Servers()) != 1 {
				t.Errorf("its members are %v", g.Servers())
			}
			err = g.Close()
		}
		return err
	}
	for range 2 { // the first one leaves empty files
		if err := open(); !errors.Is(err, ErrEmpty) {
			t.Fatalf("an empty replica: %v", err)
		}
	}
	self := raft.Server{ID: "n1.1", Address: raft.ServerAddress(network.Addr())}
	if err := open(self); err != nil {
		t.Fatal(err)
	}
	if err := open(); err != nil {
		t.Errorf("a replica that was founded: %v", err)
	}
	if err := open(self, raft.Server{ID: "n2.1", Address: "elsewhere"}); err != nil {
		t.Error(err)
	}
}
