package transport

import (
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/raft"

	"raftkv/kv/eventlog"
)

// openTrace returns a trace of all and a function that closes and reads it.
func openTrace(t *testing.T, node string) (*eventlog.Tracer, func() []eventlog.Event) {
	path := filepath.Join(t.TempDir(), "trace.jsonl")
	tracer, err := eventlog.OpenTracer(eventlog.Options{Path: path, Node: node})
	if err != nil {
		t.Fatal(err)
	}
	tracer.Follow(eventlog.TraceTopics())
	return tracer, func() []eventlog.Event {
		if err := tracer.Close(); err != nil {
			t.Fatal(err)
		}
		out, err := eventlog.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

func TestNodeOfReplica(t *testing.T) {
	for id, want := range map[raft.ServerID]string{"n2.7": "n2", "a-b.12": "a-b", "n1": "n1", "": ""} {
		if got := nodeOf(id); got != want {
			t.Errorf("%q is on %q, want %q", id, got, want)
		}
	}
}

// listenTraced is listen with a trace, for a node of a name.
func listenTraced(t *testing.T, node string) (*Transport, func() []eventlog.Event) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	tracer, read := openTrace(t, node)
	tr, err := Listen(Options{Addr: addr, Node: node, Cluster: func() string { return "c" }, Logger: slog.New(slog.DiscardHandler), Trace: tracer})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	return tr, read
}

// Each message has four lines, two at each end, which name the other end and have the
// same number; and no two messages have the same.
func TestTraceTellsOfBothEnds(t *testing.T) {
	a, readA := listenTraced(t, "a")
	b, readB := listenTraced(t, "b")
	ga, gb := a.Group(4, "a.1"), b.Group(4, "b.1")
	serve(gb, func(rpc raft.RPC) {
		switch r := rpc.Command.(type) {
		case *raft.AppendEntriesRequest:
			rpc.Respond(&raft.AppendEntriesResponse{RPCHeader: header, Term: r.Term, LastLog: 9, Success: true}, nil)
		case *raft.RequestVoteRequest:
			rpc.Respond(&raft.RequestVoteResponse{RPCHeader: header, Term: r.Term}, nil)
		case *raft.RequestPreVoteRequest:
			rpc.Respond(&raft.RequestPreVoteResponse{RPCHeader: header, Term: r.Term, Granted: true}, nil)
		}
	})
	addr := raft.ServerAddress(b.Addr())
	entries := []*raft.Log{{Index: 8, Term: 3}, {Index: 9, Term: 3}}
	args := &raft.AppendEntriesRequest{RPCHeader: header, Term: 3, PrevLogEntry: 7, Entries: entries, LeaderCommitIndex: 6}
	if err := ga.AppendEntries("b.1", addr, args, new(raft.AppendEntriesResponse)); err != nil {
		t.Fatal(err)
	}
	if err := ga.RequestVote("b.1", addr, &raft.RequestVoteRequest{RPCHeader: header, Term: 5, LastLogIndex: 9}, new(raft.RequestVoteResponse)); err != nil {
		t.Fatal(err)
	}
	if err := ga.RequestPreVote("b.1", addr, &raft.RequestPreVoteRequest{RPCHeader: header, Term: 6, LastLogIndex: 9}, new(raft.RequestPreVoteResponse)); err != nil {
		t.Fatal(err)
	}
	pipeline, err := ga.AppendEntriesPipeline("b.1", addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pipeline.AppendEntries(args, new(raft.AppendEntriesResponse)); err != nil {
		t.Fatal(err)
	}
	if err := (<-pipeline.Consumer()).Error(); err != nil {
		t.Fatal(err)
	}
	pipeline.Close()
	a.Close()
	b.Close()

	lines := make(map[any][]string) // by number
	for _, e := range slices.Concat(readA(), readB()) {
		if e.Group != 4 || !e.HasGroup {
			t.Errorf("of another group: %+v", e)
		}
		text := fmt.Sprintf("%s %s %s t%d i%d %v", e.Node, e.Attrs["way"], e.Attrs["peer"], e.Term, e.Index, e.Attrs["granted"])
		lines[e.Attrs["message"]] = append(lines[e.Attrs["message"]], strings.TrimSuffix(text, " <nil>"))
	}
	var got []string
	for _, of := range lines {
		slices.Sort(of)
		got = append(got, strings.Join(of, ", "))
	}
	slices.Sort(got)
	appended := "a returned b t3 i9, a sent b t3 i9, b answered a t3 i9, b received a t3 i9"
	want := []string{
		appended, appended,
		"a returned b t5 i9 false, a sent b t5 i9, b answered a t5 i9 false, b received a t5 i9",
		"a returned b t6 i9 true, a sent b t6 i9, b answered a t6 i9 true, b received a t6 i9",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
