package group

import (
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"raftkv/kv/raftlog"
	"raftkv/kv/store"
	"raftkv/kv/transport"
)

// listenTransport returns a node's transport on a free port.
func listenTransport(t *testing.T, node string) *transport.Transport {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	network, err := transport.Listen(transport.Options{Addr: addr, Node: node, Cluster: func() string { return "c" }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { network.Close() })
	return network
}

// openFollower opens replica n1.1 of a group whose other one is n2.1. send sends it what
// n2.1 would as the leader of term 100.
func openFollower(t *testing.T, timing Timing) (g *Group, send func(*raft.AppendEntriesRequest) (*raft.AppendEntriesResponse, error)) {
	t.Helper()
	follower, leader := listenTransport(t, "n1"), listenTransport(t, "n2")
	here, there := raft.ServerAddress(follower.Addr()), raft.ServerAddress(leader.Addr())
	g, err := Open(Config{
		ID: 1, Cluster: "c", Node: "n1", Replica: "n1.1", Dir: t.TempDir(), Timing: timing,
		Transport: follower.Group(1, "n1.1"),
		Log:       raftlog.Options{Logger: hclog.NewNullLogger()},
		Founders:  []raft.Server{{ID: "n1.1", Address: here}, {ID: "n2.1", Address: there}},
		Now:       time.Now, Logger: slog.New(slog.DiscardHandler), RaftLog: hclog.NewNullLogger(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	to := leader.Group(1, "n2.1")
	return g, func(args *raft.AppendEntriesRequest) (*raft.AppendEntriesResponse, error) {
		args.RPCHeader = raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte("n2.1"), Addr: []byte(there)}
		args.Term = 100
		answer := new(raft.AppendEntriesResponse)
		return answer, to.AppendEntries("n1.1", here, args, answer)
	}
}

// openAlone opens the only replica of a group and waits until it serves. Who asks closes it.
func openAlone(t *testing.T) *Group {
	t.Helper()
	return openAloneIn(t, t.TempDir())
}

// openAloneIn is openAlone in a folder.
func openAloneIn(t *testing.T, dir string) *Group {
	t.Helper()
	network := listenTransport(t, "n1")
	serves := make(chan struct{}, 1)
	g, err := Open(Config{
		ID: 1, Cluster: "c", Node: "n1", Replica: "n1.1", Dir: dir, Timing: Timings["local"],
		Transport: network.Group(1, "n1.1"),
		Log:       raftlog.Options{Logger: hclog.NewNullLogger()},
		Founders:  []raft.Server{{ID: "n1.1", Address: raft.ServerAddress(network.Addr())}},
		Observe: Observer{Leadership: func(_ uint64, serving bool) {
			if serving {
				serves <- struct{}{}
			}
		}},
		Now: time.Now, Logger: slog.New(slog.DiscardHandler), RaftLog: hclog.NewNullLogger(),
	})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-serves:
	case <-time.After(20 * time.Second):
		g.Close()
		t.Fatal("nobody leads the group")
	}
	return g
}

// holdState keeps the state machine from applying anything until release is called.
func holdState(g *Group) (release func()) {
	held, end, viewed := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(viewed)
		g.View(func(*store.Store) {
			close(held)
			<-end
		})
	}()
	<-held
	return func() {
		close(end)
		<-viewed
	}
}
