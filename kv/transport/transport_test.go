package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/kv"
)

func listen(t *testing.T, cluster string, handle Handler) *Transport {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	return listenAt(t, addr, cluster, handle)
}

func listenAt(t *testing.T, addr, cluster string, handle Handler) *Transport {
	t.Helper()
	tr, err := Listen(Options{Addr: addr, Node: "n" + addr, Cluster: func() string { return cluster }, Handle: handle, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	return tr
}

// answer serves a group's requests until the transport closes.
func serve(g *Group, answer func(raft.RPC)) {
	go func() {
		for {
			select {
			case rpc := <-g.Consumer():
				answer(rpc)
			case <-g.ctx.Done():
				return
			}
		}
	}()
}

var header = raft.RPCHeader{ProtocolVersion: 3, ID: []byte("a.1"), Addr: []byte("addr")}

// Every field of raft's messages arrives.
func TestMessagesArriveWhole(t *testing.T) {
	a, b := listen(t, "c", nil), listen(t, "c", nil)
	ga, gb := a.Group(1, "a.1"), b.Group(1, "b.1")
	var got any
	serve(gb, func(rpc raft.RPC) {
		got = rpc.Command
		switch r := rpc.Command.(type) {
		case *raft.AppendEntriesRequest:
			rpc.Respond(&raft.AppendEntriesResponse{RPCHeader: header, Term: r.Term, LastLog: 9, Success: true, NoRetryBackoff: true}, nil)
		case *raft.RequestVoteRequest:
			rpc.Respond(&raft.RequestVoteResponse{RPCHeader: header, Term: 4, Granted: true}, nil)
		case *raft.RequestPreVoteRequest:
			rpc.Respond(&raft.RequestPreVoteResponse{RPCHeader: header, Term: 4, Granted: true}, nil)
		case *raft.TimeoutNowRequest:
			rpc.Respond(&raft.TimeoutNowResponse{RPCHeader: header}, nil)
		}
	})
	addr := raft.ServerAddress(b.Addr())
	at := time.Unix(0, 1700000000123456789)
	entries := []*raft.Log{
		{Index: 8, Term: 2, Type: raft.LogCommand, Data: []byte("data"), AppendedAt: at},
		{Index: 9, Term: 3, Type: raft.LogConfiguration, Data: []byte("conf"), Extensions: []byte("ext")},
		{Index: 10, Term: 3, Type: raft.LogNoop},
	}
	appendArgs := &raft.AppendEntriesRequest{RPCHeader: header, Term: 3, Leader: []byte("addr"), PrevLogEntry: 7, PrevLogTerm: 2, Entries: entries, LeaderCommitIndex: 6}
	voteArgs := &raft.RequestVoteRequest{RPCHeader: header, Term: 3, Candidate: []byte("addr"), LastLogIndex: 5, LastLogTerm: 2, LeadershipTransfer: true}
	preArgs := &raft.RequestPreVoteRequest{RPCHeader: header, Term: 3, LastLogIndex: 5, LastLogTerm: 2}
	nowArgs := &raft.TimeoutNowRequest{RPCHeader: header}
	for _, c := range []struct {
		args any
		call func() (any, error)
		want any
	}{
		{appendArgs, func() (any, error) {
			r := new(raft.AppendEntriesResponse)
			return r, ga.AppendEntries("b.1", addr, appendArgs, r)
		}, &raft.AppendEntriesResponse{RPCHeader: header, Term: 3, LastLog: 9, Success: true, NoRetryBackoff: true}},
		{voteArgs, func() (any, error) {
			r := new(raft.RequestVoteResponse)
			return r, ga.RequestVote("b.1", addr, voteArgs, r)
		}, &raft.RequestVoteResponse{RPCHeader: header, Term: 4, Granted: true}},
		{preArgs, func() (any, error) {
			r := new(raft.RequestPreVoteResponse)
			return r, ga.RequestPreVote("b.1", addr, preArgs, r)
		}, &raft.RequestPreVoteResponse{RPCHeader: header, Term: 4, Granted: true}},
		{nowArgs, func() (any, error) {
			r := new(raft.TimeoutNowResponse)
			return r, ga.TimeoutNow("b.1", addr, nowArgs, r)
		}, &raft.TimeoutNowResponse{RPCHeader: header}},
	} {
		resp, err := c.call()
		if err != nil {
			t.Fatalf("%T: %v", c.args, err)
		}
		if !reflect.DeepEqual(got, c.args) {
			t.Errorf("%T arrived as\n%+v, want\n%+v", c.args, got, c.args)
		}
		if !reflect.DeepEqual(resp, c.want) {
			t.Errorf("%T was answered\n%+v, want\n%+v", c.args, resp, c.want)
		}
	}
}

// A replica never answers for its lost predecessor at the same address: that one
// has voted and acknowledged entries.
func TestNobodyAnswersForAnother(t *testing.T) {
	a, b := listen(t, "c", nil), listen(t, "c", nil)
	ga := a.Group(1, "a.1")
	serve(b.Group(1, "b.2"), func(rpc raft.RPC) { t.Errorf("%T arrived", rpc.Command) })
	err := ga.RequestVote("b.1", raft.ServerAddress(b.Addr()), &raft.RequestVoteRequest{RPCHeader: header}, new(raft.RequestVoteResponse))
	if err == nil || !strings.Contains(err.Error(), "b.2") {
		t.Errorf("a vote for b.1 at b.2: %v", err)
	}
	if err := ga.RequestVote("b.1", raft.ServerAddress(b.Addr()), &raft.RequestVoteRequest{}, new(raft.RequestVoteResponse)); err == nil {
		t.Error("and again: no error")
	}
}

// A replica that could not be opened consumes nothing. What had come for it must
// not hold up messages for its successor on the same connection.
func TestSuccessorIsNotHeldUp(t *testing.T) {
	a, b := listen(t, "c", nil), listen(t, "c", nil)
	ga := a.Group(1, "a.1")
	b.Group(1, "b.1") // nobody consumes
	vote := func(target raft.ServerID) error {
		return ga.RequestVote(target, raft.ServerAddress(b.Addr()), &raft.RequestVoteRequest{RPCHeader: header, Term: 2}, new(raft.RequestVoteResponse))
	}
	held := make(chan error)
	for range queued + 2 {
		go func() { held <- vote("b.1") }()
	}
	waitForQueue(t, b.group(1))
	serve(b.Group(1, "b.2"), func(rpc raft.RPC) { rpc.Respond(&raft.RequestVoteResponse{Term: 2, Granted: true}, nil) })
	if err := vote("b.2"); err != nil {
		t.Errorf("the successor: %v", err)
	}
	for range queued + 2 {
		if err := <-held; err == nil {
			t.Error("a replica that never opened has voted")
		}
	}
}

// A follower that hangs does not hold up for long who wants to hand leadership to it:
// raft takes no entries meanwhile.
func TestTransferToNobodyEndsSoon(t *testing.T) {
	a, b := listen(t, "c", nil), listen(t, "c", nil)
	ga := a.Group(1, "a.1")
	b.Group(1, "b.1") // nobody consumes
	start := time.Now()
	if err := ga.TimeoutNow("b.1", raft.ServerAddress(b.Addr()), &raft.TimeoutNowRequest{RPCHeader: header}, new(raft.TimeoutNowResponse)); err == nil {
		t.Fatal("nobody has answered")
	}
	if took := time.Since(start); took > urgentTimeout {
		t.Errorf("it took %v", took)
	}
}

func waitForQueue(t *testing.T, g *Group) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); len(g.consume) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing arrived")
		}
	}
}

func TestClustersRefuseEachOther(t *testing.T) {
	called := func(context.Context, uint8, []byte) ([]byte, error) { return []byte("hi"), nil }
	a, other, fresh := listen(t, "one", called), listen(t, "two", called), listen(t, "", called)
	if _, err := other.Call(context.Background(), a.Addr(), 1, nil); err == nil || !strings.Contains(err.Error(), "one") {
		t.Errorf("a node of another cluster: %v", err)
	}
	if _, err := fresh.Call(context.Background(), a.Addr(), 1, nil); err != nil {
		t.Errorf("a node that has no cluster yet: %v", err)
	}
}

func TestCalls(t *testing.T) {
	handle := func(ctx context.Context, method uint8, payload []byte) ([]byte, error) {
		switch method {
		case 1:
			return append([]byte("echo "), payload...), nil
		case 2:
			return nil, kv.ErrNoLeader
		case 3:
			return nil, errors.New("plain")
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	a, b := listen(t, "c", nil), listen(t, "c", handle)
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			got, err := a.Call(context.Background(), b.Addr(), 1, fmt.Append(nil, i))
			if err != nil || string(got) != fmt.Sprint("echo ", i) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	all.Wait()
	if _, err := a.Call(context.Background(), b.Addr(), 2, nil); err != kv.ErrNoLeader {
		t.Errorf("a client's error arrives as %v (%T)", err, err)
	}
	if _, err := a.Call(context.Background(), b.Addr(), 3, nil); err != RemoteError("plain") {
		t.Errorf("an error arrives as %v (%T)", err, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := a.Call(ctx, b.Addr(), 4, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a call without an answer: %v", err)
	}
	b.Close()
	if _, err := a.Call(context.Background(), b.Addr(), 1, nil); err == nil {
		t.Error("a closed node answers")
	}
}

// A node that has just begun to listen is controlled at once, though it did not answer a
// moment ago.
func TestControlTriesAgain(t *testing.T) {
	a, gone := listen(t, "c", nil), listen(t, "c", nil)
	addr := gone.Addr()
	gone.Close()
	if _, err := a.Control(t.Context(), addr, 1, nil); err == nil {
		t.Fatal("nobody has answered")
	}
	listenAt(t, addr, "c", func(context.Context, uint8, []byte) ([]byte, error) { return []byte("here"), nil })
	if answer, err := a.Control(t.Context(), addr, 1, nil); string(answer) != "here" {
		t.Errorf("%q, %v", answer, err)
	}
}

// An append to a node that is away waits for it: raft would back off for up to
// 10 s after failures, and the node would hear nothing for as long.
func TestAppendWaitsForThePeer(t *testing.T) {
	a, b := listen(t, "c", nil), listen(t, "c", nil)
	addr := b.Addr()
	b.Close()
	ga := a.Group(1, "a.1")
	args := &raft.AppendEntriesRequest{RPCHeader: header, Term: 3, PrevLogEntry: 1, PrevLogTerm: 1}
	done := make(chan error, 1)
	go func() {
		done <- ga.AppendEntries("b.1", raft.ServerAddress(addr), args, new(raft.AppendEntriesResponse))
	}()
	heartbeat := &raft.AppendEntriesRequest{RPCHeader: header, Term: 3}
	if err := ga.AppendEntries("b.1", raft.ServerAddress(addr), heartbeat, new(raft.AppendEntriesResponse)); err == nil {
		t.Fatal("a heartbeat to nobody succeeds")
	}
	select {
	case err := <-done:
		t.Fatalf("the append did not wait: %v", err)
	default:
	}
	b = listenAt(t, addr, "c", nil)
	serve(b.Group(1, "b.1"), func(rpc raft.RPC) { rpc.Respond(&raft.AppendEntriesResponse{Term: 3, Success: true}, nil) })
	if err := <-done; err != nil {
		t.Errorf("the append failed although the peer came back: %v", err)
	}
}

// Acks carry when the request was sent, not when it was answered, and only
// answers of the same term count.
func TestAcks(t *testing.T) {
	a, b := listen(t, "c", nil), listen(t, "c", nil)
	ga, gb := a.Group(1, "a.1"), b.Group(1, "b.1")
	type ack struct {
		term, match uint64
		sent        time.Time
	}
	acks := make(chan ack, 10)
	ga.OnAck(func(peer raft.ServerID, term uint64, sent time.Time, match uint64) {
		if peer != "b.1" {
			t.Errorf("ack of %s", peer)
		}
		acks <- ack{term, match, sent}
	})
	term := uint64(3)
	arrived, release := make(chan struct{}), make(chan struct{})
	gb.SetHeartbeatHandler(func(rpc raft.RPC) {
		arrived <- struct{}{}
		<-release
		rpc.Respond(&raft.AppendEntriesResponse{Term: term, Success: true}, nil)
	})
	serve(gb, func(rpc raft.RPC) { rpc.Respond(&raft.AppendEntriesResponse{Term: term, Success: true}, nil) })
	addr := raft.ServerAddress(b.Addr())
	go ga.AppendEntries("b.1", addr, &raft.AppendEntriesRequest{RPCHeader: header, Term: 3}, new(raft.AppendEntriesResponse))
	<-arrived
	between := time.Now()
	close(release)
	if got := <-acks; got.sent.After(between) || got.term != 3 || got.match != 0 {
		t.Errorf("a heartbeat is acked as %+v, it had arrived at %v", got, between)
	}

	p, err := ga.AppendEntriesPipeline("b.1", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	args := &raft.AppendEntriesRequest{RPCHeader: header, Term: 3, PrevLogEntry: 7, PrevLogTerm: 1, Entries: []*raft.Log{{Index: 8}, {Index: 9}}}
	if _, err := p.AppendEntries(args, new(raft.AppendEntriesResponse)); err != nil {
		t.Fatal(err)
	}
	if f := <-p.Consumer(); f.Error() != nil || !f.Response().Success {
		t.Errorf("a pipelined append: %v", f.Error())
	}
	if got := <-acks; got.match != 9 {
		t.Errorf("a pipelined append is acked as %+v", got)
	}
	term = 4
	if err := ga.AppendEntries("b.1", addr, args, new(raft.AppendEntriesResponse)); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-acks:
		t.Errorf("an answer of a newer term is acked as %+v", got)
	default:
	}
}

func TestSnapshotStreams(t *testing.T) {
	a, b := listen(t, "c", nil), listen(t, "c", nil)
	ga := a.Group(1, "a.1")
	data := bytes.Repeat([]byte("0123456789"), 200_000)
	var cutOff atomic.Bool // raft sees that by the length
	serve(b.Group(1, "b.1"), func(rpc raft.RPC) {
		got, err := io.ReadAll(rpc.Reader)
		if !cutOff.Load() && (err != nil || !bytes.Equal(got, data)) {
			t.Errorf("%d bytes of %d arrived, %v", len(got), len(data), err)
		}
		rpc.Respond(&raft.InstallSnapshotResponse{Term: 3, Success: true}, nil)
	})
	args := &raft.InstallSnapshotRequest{RPCHeader: header, SnapshotVersion: 1, Term: 3, LastLogIndex: 5, LastLogTerm: 2, Configuration: []byte("conf"), ConfigurationIndex: 2, Size: int64(len(data))}
	var resp raft.InstallSnapshotResponse
	if err := ga.InstallSnapshot("b.1", raft.ServerAddress(b.Addr()), args, &resp, bytes.NewReader(data)); err != nil || !resp.Success {
		t.Fatal(err, resp)
	}
	cutOff.Store(true)
	if err := ga.InstallSnapshot("b.1", raft.ServerAddress(b.Addr()), args, &resp, bytes.NewReader(data[:10])); err == nil {
		t.Error("a snapshot that is too short was sent")
	}
}

func TestStrangersAreRefused(t *testing.T) {
	a := listen(t, "c", nil)
	for _, hello := range []string{"GET / HTTP/1.1\r\n\r\n", "RKV1\x01c\x01n\xff\xff\xff\xff", "RKV2\x00\x01c\x01n\xff\xff\xff\xff", strings.Repeat("\x00", 100)} {
		nc, err := net.Dial("tcp", a.Addr())
		if err != nil {
			t.Fatal(err)
		}
		nc.SetDeadline(time.Now().Add(5 * time.Second))
		nc.Write([]byte(hello))
		nc.Write(bytes.Repeat([]byte{0xff}, 100))
		if _, err := io.Copy(io.Discard, nc); errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%q: the connection stays open", hello)
		}
		nc.Close()
	}
}

func FuzzDecodeRequest(f *testing.F) {
	f.Add(byte(methodAppend), encodeAppend(nil, "b", &raft.AppendEntriesRequest{RPCHeader: header, Entries: []*raft.Log{{Data: []byte("x")}}}))
	f.Add(byte(methodVote), encodeVote(nil, "b", &raft.RequestVoteRequest{RPCHeader: header}))
	f.Fuzz(func(t *testing.T, m byte, b []byte) {
		decodeRequest(method(m), b)
		decodeAppendAnswer(b, new(raft.AppendEntriesResponse))
	})
}

// Who has given up does not ask: the driver of a migration that is past its limit
// must not make the target own the slots all the same.
func TestCallNotSentTooLate(t *testing.T) {
	var asked atomic.Int64
	b := listen(t, "c", func(_ context.Context, method uint8, _ []byte) ([]byte, error) {
		asked.Add(int64(method))
		return nil, nil
	})
	a := listen(t, "c", nil)
	call := func(ctx context.Context, method uint8) error {
		_, err := a.Call(ctx, b.Addr(), method, nil)
		return err
	}
	if err := call(t.Context(), 1); err != nil { // so that there is a connection
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 {
		if err := call(ended, 100); !errors.Is(err, context.Canceled) {
			t.Fatalf("too late: %v", err)
		}
	}
	if err := call(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if got := asked.Load(); got != 2 {
		t.Errorf("it was asked too late %d times", got/100)
	}
}
