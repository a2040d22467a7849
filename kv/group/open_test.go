package group

import (
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"raftkv/kv/raftlog"
)

// hungDisk lets the first write wait until it is let go.
type hungDisk struct {
	first atomic.Bool
	hangs chan struct{} // closed when it does
	let   chan struct{} // closed by who lets it go
}

func (d *hungDisk) Before(string) error {
	if d.first.CompareAndSwap(false, true) {
		close(d.hangs)
		<-d.let
	}
	return nil
}
func (d *hungDisk) Free() (uint64, bool)          { return 0, false }
func (d *hungDisk) Torn() (float64, func(), bool) { return 0, nil, false }

// A disk that hangs while a replica opens, and then goes on, leaves no replica that
// looks well and is off the network for ever: its node is told to stop, at once, and
// Open says why.
func TestOpenWhileTheDiskHangs(t *testing.T) {
	network := listenTransport(t, "n1")
	disk := &hungDisk{hangs: make(chan struct{}), let: make(chan struct{})}
	told, opened := make(chan error, 10), make(chan error, 1)
	go func() {
		g, err := Open(Config{
			ID: 1, Cluster: "c", Node: "n1", Replica: "n1.1", Dir: t.TempDir(), Timing: Timings["local"],
			Transport: network.Group(1, "n1.1"),
			Log:       raftlog.Options{HangTimeout: 50 * time.Millisecond, Faults: disk, Logger: hclog.NewNullLogger()},
			Founders:  []raft.Server{{ID: "n1.1", Address: raft.ServerAddress(network.Addr())}},
			Fatal:     func(err error) { told <- err },
			Now:       time.Now, Logger: slog.New(slog.DiscardHandler), RaftLog: hclog.NewNullLogger(),
		})
		if err == nil {
			g.Close()
		}
		opened <- err
	}()
	<-disk.hangs
	select {
	case err := <-told:
		if !strings.Contains(err.Error(), "the disk has not answered") {
			t.Errorf("the node is told: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("nobody is told that the disk hangs")
	}
	close(disk.let)
	if err := <-opened; err == nil || !strings.Contains(err.Error(), "the disk has not answered") {
		t.Errorf("Open says: %v", err)
	}
}
