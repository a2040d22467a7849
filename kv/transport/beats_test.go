package transport

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/kv/pulse"
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

// beating lets one group beat as raft's loop does: at once after each answer if it is
// asked to, otherwise after pause. It ends with stop.
func beating(t *testing.T, g *Group, target string, term uint64, pause time.Duration) (stop func() []time.Time) {
	asked := make(chan struct{}, 1)
	g.OnBeat(func() {
		select {
		case asked <- struct{}{}:
		default:
		}
	})
	end := make(chan struct{})
	var learned []time.Time
	var loop sync.WaitGroup
	loop.Go(func() {
		for {
			var resp raft.AppendEntriesResponse
			err := g.AppendEntries("b.1", raft.ServerAddress(target), &raft.AppendEntriesRequest{RPCHeader: header, Term: term}, &resp)
			if err != nil || !resp.Success {
				t.Errorf("beat: %v, %+v", err, resp)
				return
			}
			learned = append(learned, time.Now())
			select {
			case <-asked:
			case <-time.After(pause):
			case <-end:
				return
			}
		}
	})
	return func() []time.Time {
		close(end)
		loop.Wait()
		return learned
	}
}

// Raft's loop learns of each beat with its answer, and of one in an interval, whether it
// comes back because it is asked or by itself.
func TestBeatsHoldRaftsLoop(t *testing.T) {
	for name, pause := range map[string]time.Duration{"asked": time.Hour, "by itself": 30 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			a, b := listen(t, "c", nil), listen(t, "c", nil)
			var received atomic.Int64
			b.Group(1, "b.1").SetHeartbeatHandler(func(rpc raft.RPC) {
				received.Add(1)
				rpc.Respond(&raft.AppendEntriesResponse{RPCHeader: header, Term: 7, Success: true}, nil)
			})
			g := a.Group(1, "a.1")
			var acked atomic.Int64
			enough := make(chan struct{})
			g.OnAck(func(raft.ServerID, uint64, time.Time, uint64) {
				if acked.Add(1) == 10 {
					close(enough)
				}
			})
			stop := beating(t, g, b.Addr(), 7, pause)
			select {
			case <-enough:
			case <-time.After(time.Minute):
				t.Fatalf("%d beats were acknowledged", acked.Load())
			}
			learned := stop()
			for i := 1; i < len(learned); i++ {
				if gap := learned[i].Sub(learned[i-1]); gap < beatInterval/2 {
					t.Errorf("the loop was let go twice within %v", gap)
				}
			}
			if got := received.Load(); got != int64(len(learned)) {
				t.Errorf("%d beats left for %d calls", got, len(learned))
			}
		})
	}
}

// What a follower refuses, as in a later term, raft learns at once.
func TestRefusedBeatIsNotHeld(t *testing.T) {
	a, b := listen(t, "c", nil), listen(t, "c", nil)
	refused := make(chan struct{})
	var once sync.Once
	b.Group(1, "b.1").SetHeartbeatHandler(func(rpc raft.RPC) {
		rpc.Respond(&raft.AppendEntriesResponse{RPCHeader: header, Term: 9}, nil)
		once.Do(func() { close(refused) })
	})
	g := a.Group(1, "a.1")
	g.OnAck(func(_ raft.ServerID, term uint64, _ time.Time, _ uint64) {
		t.Errorf("it counts as an answer in term %d", term)
	})
	var resp raft.AppendEntriesResponse
	if err := g.AppendEntries("b.1", raft.ServerAddress(b.Addr()), &raft.AppendEntriesRequest{RPCHeader: header, Term: 7}, &resp); err != nil {
		t.Fatal(err)
	}
	<-refused
	if resp.Success || resp.Term != 9 {
		t.Errorf("%+v", resp)
	}
}

// A loop does not learn in a later term what was answered in an earlier one.
func TestBeatsOfEarlierTermCountNoMore(t *testing.T) {
	a, b := listen(t, "c", nil), listen(t, "c", nil)
	b.Group(1, "b.1").SetHeartbeatHandler(func(rpc raft.RPC) {
		term := rpc.Command.(*raft.AppendEntriesRequest).Term
		rpc.Respond(&raft.AppendEntriesResponse{RPCHeader: header, Term: term, Success: true}, nil)
	})
	g := a.Group(1, "a.1")
	for term := uint64(1); term < 4; term++ {
		var resp raft.AppendEntriesResponse
		err := g.AppendEntries("b.1", raft.ServerAddress(b.Addr()), &raft.AppendEntriesRequest{RPCHeader: header, Term: term}, &resp)
		if err != nil || resp.Term != term {
			t.Errorf("in term %d: %v, %+v", term, err, resp)
		}
	}
}

// A loop that beats for an earlier leadership is let go when a later one's comes.
func TestEarlierLeadershipIsLetGo(t *testing.T) {
	a, b := listen(t, "c", nil), listen(t, "c", nil)
	received, let := make(chan struct{}), make(chan struct{})
	b.Group(1, "b.1").SetHeartbeatHandler(func(rpc raft.RPC) {
		term := rpc.Command.(*raft.AppendEntriesRequest).Term
		if term == 1 {
			close(received)
			<-let
		}
		rpc.Respond(&raft.AppendEntriesResponse{RPCHeader: header, Term: term, Success: true}, nil)
	})
	g := a.Group(1, "a.1")
	send := func(term uint64) chan error {
		done := make(chan error, 1)
		go func() {
			done <- g.AppendEntries("b.1", raft.ServerAddress(b.Addr()), &raft.AppendEntriesRequest{RPCHeader: header, Term: term}, new(raft.AppendEntriesResponse))
		}()
		return done
	}
	earlier := send(1)
	<-received
	later := send(2)
	if err := <-earlier; !errors.Is(err, errOvertaken) {
		t.Errorf("the earlier one's beat: %v", err)
	}
	close(let)
	if err := <-later; err != nil {
		t.Errorf("the later one's beat: %v", err)
	}
}

// Raft is not asked while it comes late, so that questions do not pile up in it.
func TestBusyRaftIsNotAsked(t *testing.T) {
	a := listen(t, "c", nil)
	g := a.Group(1, "a.1")
	b := newBeats(pulse.Portable()) // nobody sends these
	call := func() *beatCall {
		return &beatCall{args: &raft.AppendEntriesRequest{Term: 1}, done: make(chan beatOutcome, 1)}
	}
	for _, test := range []struct {
		after  time.Duration
		paused bool
	}{{0, false}, {askLimit / 3, false}, {time.Minute, true}} {
		b.mu.Lock()
		g.asked, g.askAfter = true, time.Time{}
		g.beaters["b.1"] = &beater{group: g, target: "b.1", let: time.Now().Add(-test.after)}
		b.mu.Unlock()
		x := call()
		b.add(g, "b.1", x)
		b.remove(g, "b.1", x)
		b.mu.Lock()
		if paused := g.askAfter.After(time.Now()); paused != test.paused || g.asked {
			t.Errorf("raft came back after %v: paused %t, still asked %t", test.after, paused, g.asked)
		}
		b.mu.Unlock()
	}
}
