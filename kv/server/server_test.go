package server_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"raftkv/kv"
	"raftkv/kv/resp"
	"raftkv/kv/server"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

type world struct {
	*server.Server
	addr   string
	groups []*fakeGroup
	done   chan error
}

// eachWay runs a test for connections that loops serve, and for those with a goroutine.
func eachWay(t *testing.T, opts server.Options, fn func(t *testing.T, w *world)) {
	for _, way := range []string{"loops", "goroutines"} {
		t.Run(way, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			w := &world{addr: l.Addr().String(), groups: []*fakeGroup{newFakeGroup(1), newFakeGroup(2)}, done: make(chan error, 1)}
			if way == "goroutines" {
				l = plainListener{l}
			}
			opts.MaxValue, opts.Logger = 1<<20, slog.New(slog.DiscardHandler)
			w.Server = server.New(&fakeNode{w.groups}, opts)
			go func() { w.done <- w.Serve(l) }()
			t.Cleanup(func() {
				w.Close()
				if err := <-w.done; err != nil {
					t.Error(err)
				}
				for _, g := range w.groups {
					g.held.Wait()
				}
			})
			fn(t, w)
		})
	}
}

type peer struct {
	t *testing.T
	*net.TCPConn
	r *bufio.Reader
}

func (w *world) dial(t *testing.T) *peer {
	t.Helper()
	nc, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	return &peer{t, nc.(*net.TCPConn), bufio.NewReader(nc)}
}

func (p *peer) send(args ...string) {
	p.t.Helper()
	if _, err := p.Write(resp.AppendCommand(nil, args...)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) want(want string) {
	p.t.Helper()
	reply, err := resp.ReadReply(p.r)
	if err != nil {
		p.t.Fatalf("instead of %q: %v", want, err)
	}
	if got := shown(&reply); got != want {
		p.t.Fatalf("%q instead of %q", got, want)
	}
}

// ping is also how a test waits: it ends with an error if nothing comes of that for too long.
func (p *peer) ping() {
	p.t.Helper()
	p.send("PING")
	p.want("PONG")
}

func (p *peer) wantEnd() {
	p.t.Helper()
	if _, err := p.r.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		p.t.Fatalf("the connection has not ended: %v", err)
	}
}

func shown(r *kv.Reply) string {
	switch r.Kind {
	case kv.Int:
		return fmt.Sprint(r.Int)
	case kv.Array:
		var all []string
		for i := range r.Elems {
			all = append(all, shown(&r.Elems[i]))
		}
		return "[" + strings.Join(all, " ") + "]"
	case kv.Nil, kv.NilArray:
		return "(nil)"
	}
	return string(r.Str)
}

// While one group hangs, connections that want nothing of it are served, and each
// connection's replies come in the order of its commands.
func TestOthersGoOn(t *testing.T) {
	eachWay(t, server.Options{}, func(t *testing.T, w *world) {
		const a, b = "{k0}", "{k1}" // of the two groups, see below
		held, free := w.groupOf(a), w.groupOf(b)
		if held == free {
			t.Fatal("both keys are in the same group")
		}
		reader, writer, watcher, other := w.dial(t), w.dial(t), w.dial(t), w.dial(t)
		other.send("SET", b, "1")
		other.want("OK")
		held.hold()
		reader.send("GET", a)
		reader.send("GET", b)
		writer.send("SET", a+"w", "2")
		writer.send("PING")
		watcher.send("WATCH", a)
		for i := range 100 {
			other.send("INCR", b)
			other.want(fmt.Sprint(i + 2))
			other.send("GET", b)
			other.want(fmt.Sprint(i + 2))
			other.ping()
		}
		held.release()
		reader.want("(nil)")
		reader.want("101")
		writer.want("OK")
		writer.want("PONG")
		watcher.want("OK")
	})
}

func (w *world) groupOf(key string) *fakeGroup {
	return (&fakeNode{w.groups}).Route(slotOf(key)).Group.(*fakeGroup)
}

// However commands are cut into packets and mixed, the replies are those of one command
// after the other.
func TestAnyCut(t *testing.T) {
	eachWay(t, server.Options{}, func(t *testing.T, w *world) {
		rapid.Check(t, func(r *rapid.T) {
			p := w.dial(t)
			defer p.Close()
			p.send("FLUSHALL")
			p.want("OK")
			var in []byte
			var want []string
			counters := map[string]int{}
			for range rapid.IntRange(1, 60).Draw(r, "commands") {
				key := rapid.SampledFrom([]string{"k0", "k1", "k2", "k3"}).Draw(r, "key")
				switch rapid.IntRange(0, 6).Draw(r, "command") {
				case 0, 1:
					counters[key]++
					in, want = resp.AppendCommand(in, "INCR", key), append(want, fmt.Sprint(counters[key]))
				case 2, 3:
					got := "(nil)"
					if n := counters[key]; n > 0 {
						got = fmt.Sprint(n)
					}
					in, want = resp.AppendCommand(in, "GET", key), append(want, got)
				case 4:
					in, want = append(in, "PING\r\n"...), append(want, "PONG")
				case 5:
					in, want = resp.AppendCommand(in, "NOSUCH"), append(want, "ERR unknown command 'NOSUCH', with args beginning with: ")
				case 6:
					in = resp.AppendCommand(resp.AppendCommand(in, "MULTI"), "INCR", key)
					in = resp.AppendCommand(in, "DISCARD")
					want = append(want, "OK", "QUEUED", "OK")
				}
			}
			go func() {
				for len(in) > 0 {
					n := rapid.IntRange(1, len(in)).Draw(r, "packet")
					p.Write(in[:n])
					in = in[n:]
				}
			}()
			for _, reply := range want {
				p.want(reply)
			}
		})
	})
}

// More commands than a turn takes, and more replies than it keeps.
func TestLongPipeline(t *testing.T) {
	eachWay(t, server.Options{}, func(t *testing.T, w *world) {
		p := w.dial(t)
		value := strings.Repeat("v", 10<<10)
		p.send("SET", "k", value)
		p.want("OK")
		const n = 5000
		go p.Write(bytes.Repeat(resp.AppendCommand(nil, "GET", "k"), n))
		for range n {
			p.want(value)
		}
		go p.Write(bytes.Repeat([]byte("PING\r\n"), n))
		for range n {
			p.want("PONG")
		}
	})
}

// A client that does not read its replies is cut off, and holds up nobody meanwhile.
func TestSlowReader(t *testing.T) {
	eachWay(t, server.Options{WriteTimeout: 200 * time.Millisecond}, func(t *testing.T, w *world) {
		slow, other := w.dial(t), w.dial(t)
		slow.send("SET", "k", strings.Repeat("v", 1<<20))
		slow.want("OK")
		slow.Write(bytes.Repeat(resp.AppendCommand(nil, "GET", "k"), 64))
		for w.Stats.SlowReaders.Load() == 0 {
			other.ping()
		}
		if _, err := io.Copy(io.Discard, slow.r); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("the connection is still open")
		}
	})
}

// A client that reads slowly, but reads, gets everything.
func TestReaderCatchesUp(t *testing.T) {
	eachWay(t, server.Options{}, func(t *testing.T, w *world) {
		p := w.dial(t)
		value := strings.Repeat("v", 1<<20)
		p.send("SET", "k", value)
		p.want("OK")
		const n = 32 // more than the buffers of both kernels
		go func() {
			for range n {
				p.Write(resp.AppendCommand(nil, "GET", "k"))
			}
		}()
		// Nothing is read before the server has had to wait for room.
		other := w.dial(t)
		for w.Stats.BytesOut.Load() < 1<<20 {
			other.ping()
		}
		for range n {
			p.want(value)
		}
	})
}

// What was sent before the client closed its side is executed and answered.
func TestHalfClose(t *testing.T) {
	eachWay(t, server.Options{}, func(t *testing.T, w *world) {
		p := w.dial(t)
		p.Write(bytes.Repeat(resp.AppendCommand(nil, "INCR", "k"), 3))
		p.CloseWrite()
		for i := range 3 {
			p.want(fmt.Sprint(i + 1))
		}
		p.wantEnd()
	})
}

func TestBadInputEnds(t *testing.T) {
	eachWay(t, server.Options{}, func(t *testing.T, w *world) {
		p := w.dial(t)
		p.Write(append(resp.AppendCommand(nil, "INCR", "k"), "*x\r\n"...))
		p.want("1")
		p.want("ERR Protocol error: invalid multibulk length")
		p.wantEnd()
		q := w.dial(t)
		q.send("QUIT")
		q.want("OK")
		q.wantEnd()
	})
}

func TestKilled(t *testing.T) {
	eachWay(t, server.Options{}, func(t *testing.T, w *world) {
		idle, other := w.dial(t), w.dial(t)
		idle.send("CLIENT", "ID")
		reply, err := resp.ReadReply(idle.r)
		if err != nil {
			t.Fatal(err)
		}
		other.send("CLIENT", "KILL", "ID", fmt.Sprint(reply.Int))
		other.want("1")
		idle.wantEnd()
		for w.Clients() != 1 {
			other.ping()
		}
	})
}

// Close lets what is being executed get its reply, and ends idle connections.
func TestCloseAnswers(t *testing.T) {
	eachWay(t, server.Options{}, func(t *testing.T, w *world) {
		idle, working := w.dial(t), w.dial(t)
		idle.ping()
		g := w.groupOf("k0")
		g.hold()
		working.send("SET", "k0", "v")
		<-g.asked
		closed := make(chan struct{})
		go func() {
			w.Close()
			close(closed)
		}()
		idle.wantEnd()
		select {
		case <-closed:
			t.Error("closed while a command was being executed")
		default:
		}
		g.release()
		working.want("OK")
		working.wantEnd()
		<-closed
		if n := w.Clients(); n != 0 {
			t.Errorf("%d clients are left", n)
		}
	})
}

// Many connections that come, work and go at once.
func TestManyConnections(t *testing.T) {
	eachWay(t, server.Options{}, func(t *testing.T, w *world) {
		const clients, each = 100, 20
		var all sync.WaitGroup
		for range clients {
			p := w.dial(t)
			all.Go(func() {
				defer p.Close()
				for range each {
					p.Write(resp.AppendCommand(resp.AppendCommand(nil, "INCR", "k0"), "GET", "k1"))
					for range 2 {
						if _, err := resp.ReadReply(p.r); err != nil {
							t.Error(err)
							return
						}
					}
				}
			})
		}
		all.Wait()
		p := w.dial(t)
		p.send("GET", "k0")
		p.want(fmt.Sprint(clients * each))
		for w.Clients() != 1 {
			p.ping()
		}
	})
}
