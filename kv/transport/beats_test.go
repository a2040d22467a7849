package transport

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// tap is a TCP proxy that counts the frames which pass to addr.
type tap struct {
	addr   string
	frames atomic.Int64
}

func newTap(t *testing.T, addr string) *tap {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p := &tap{addr: l.Addr().String()}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", addr)
			if err != nil {
				in.Close()
				return
			}
			go func() { io.Copy(in, out); in.Close() }()
			go func() {
				defer out.Close()
				buf := make([]byte, 64<<10)
				for {
					n, err := in.Read(buf)
					if err != nil {
						return
					}
					p.frames.Add(1) // each frame is written at once, and read so
					out.Write(buf[:n])
				}
			}()
		}
	}()
	return p
}

// Heartbeats of many groups to one node travel together, and each gets its own
// answer: also one whose group has gone, and one that is for a lost predecessor.
func TestBeatsTravelTogether(t *testing.T) {
	const groups, rounds = 40, 5
	a, b := listen(t, "c", nil), listen(t, "c", nil)
	tapped := newTap(t, b.Addr())
	var acked atomic.Int64
	for id := range uint32(groups) {
		if id == 1 {
			continue // gone
		}
		b.Group(id, raft.ServerID(fmt.Sprint("b.", id))).SetHeartbeatHandler(func(rpc raft.RPC) {
			term := rpc.Command.(*raft.AppendEntriesRequest).Term
			rpc.Respond(&raft.AppendEntriesResponse{RPCHeader: header, Term: term, LastLog: uint64(id), Success: true}, nil)
		})
	}
	var beating sync.WaitGroup
	for id := range uint32(groups) {
		g := a.Group(id, "a.1")
		g.OnAck(func(_ raft.ServerID, _ uint64, sent time.Time, _ uint64) {
			if age := time.Since(sent); age > 0 && age < time.Minute {
				acked.Add(1)
			}
		})
		beating.Go(func() {
			target := raft.ServerID(fmt.Sprint("b.", id))
			if id == 2 {
				target = "b.before"
			}
			for range rounds {
				var resp raft.AppendEntriesResponse
				err := g.AppendEntries(target, raft.ServerAddress(tapped.addr), &raft.AppendEntriesRequest{RPCHeader: header, Term: uint64(id) + 1}, &resp)
				switch {
				case id == 1 && (err == nil || !strings.Contains(err.Error(), "no replica of group 1")):
					t.Errorf("a group that is gone: %v", err)
				case id == 2 && err == nil:
					t.Error("somebody answered for another")
				case id > 2 && (err != nil || resp.Term != uint64(id)+1 || resp.LastLog != uint64(id)):
					t.Errorf("group %d: %v, %+v", id, err, resp)
				}
			}
		})
	}
	beating.Wait()
	if got := acked.Load(); got != (groups-2)*rounds {
		t.Errorf("%d acknowledged, want %d", got, (groups-2)*rounds)
	}
	// Were each sent for itself, there would be 200.
	if got := tapped.frames.Load(); got > groups*rounds/4 {
		t.Errorf("%d messages for %d beats", got, groups*rounds)
	}
}

// Beats fail whose connection ends before they have left, or before they are
// answered; the next one finds a new connection.
func TestBeatsOverBrokenConnection(t *testing.T) {
	a, b := listen(t, "c", nil), listen(t, "c", nil)
	end := func() { a.peer(b.Addr()).urgent.live().close(io.ErrUnexpectedEOF) }
	var breaks atomic.Bool
	b.Group(1, "b.1").SetHeartbeatHandler(func(rpc raft.RPC) {
		if breaks.CompareAndSwap(true, false) {
			end()
		}
		rpc.Respond(&raft.AppendEntriesResponse{RPCHeader: header, Term: 1, Success: true}, nil)
	})
	g := a.Group(1, "a.1")
	args := &raft.AppendEntriesRequest{RPCHeader: header, Term: 1}
	send := func() error {
		return g.AppendEntries("b.1", raft.ServerAddress(b.Addr()), args, new(raft.AppendEntriesResponse))
	}
	if err := send(); err != nil {
		t.Fatal(err)
	}
	breaks.Store(true)
	if err := send(); err == nil {
		t.Error("a beat whose connection ended was answered")
	}
	if err := send(); err != nil {
		t.Errorf("the next one: %v", err)
	}
	c := a.peer(b.Addr()).urgent.live()
	c.close(io.ErrUnexpectedEOF)
	call := &beatCall{conn: c, args: args, done: make(chan beatOutcome, 1)}
	a.beats.add(g, "b.1", call)
	if o := <-call.done; o.err == nil {
		t.Error("a beat left over a connection that had ended")
	}
}
