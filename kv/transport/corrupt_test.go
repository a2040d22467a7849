package transport

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/raft"

	"raftkv/kv"
)

// Any bit of a frame that flips is noticed: wherever it is, nothing else than what
// was sent is ever taken for a message.
func TestFlippedBitsOfFrames(t *testing.T) {
	sent := appendFrame(nil, frame{kind: answer, method: methodVote, group: 3, id: 9}, func(dst []byte) []byte { return append(dst, "payload"...) })
	for bit := range len(sent) * 8 {
		b := bytes.Clone(sent)
		b[bit/8] ^= 1 << (bit % 8)
		if f, err := readFrame(bufio.NewReader(bytes.NewReader(b))); !errors.Is(err, ErrCorrupt) {
			t.Errorf("bit %d: %+v, %v", bit, f, err)
		}
	}
	if f, err := readFrame(bufio.NewReader(bytes.NewReader(sent))); err != nil || string(f.payload) != "payload" {
		t.Errorf("untouched: %+v, %v", f, err)
	}
}

func TestFlippedBitsOfHellos(t *testing.T) {
	sent := hello{cluster: "cluster", node: "n1"}.append(nil)
	for bit := range len(sent) * 8 {
		b := bytes.Clone(sent)
		b[bit/8] ^= 1 << (bit % 8)
		if h, err := readHello(bufio.NewReader(bytes.NewReader(b))); err == nil {
			t.Errorf("bit %d: %+v", bit, h)
		}
	}
}

func TestFlippedBitsOfChunks(t *testing.T) {
	sent := appendChunk(appendChunk(nil, []byte("first")), []byte("second"))
	if got, err := io.ReadAll(&chunkReader{r: bytes.NewReader(sent), failed: func(error) {}}); err != nil || string(got) != "firstsecond" {
		t.Fatalf("untouched: %q, %v", got, err)
	}
	for bit := range len(sent) * 8 {
		b := bytes.Clone(sent)
		b[bit/8] ^= 1 << (bit % 8)
		got, err := io.ReadAll(&chunkReader{r: bytes.NewReader(b), failed: func(error) {}})
		if err == nil || !bytes.HasPrefix([]byte("firstsecond"), got) {
			t.Errorf("bit %d: %q, %v", bit, got, err)
		}
	}
}

// flipper changes a byte of what is written while it is on.
type flipper struct {
	net.Conn
	on *atomic.Bool
}

func (f flipper) Write(b []byte) (int, error) {
	if f.on.Load() {
		b = bytes.Clone(b)
		b[len(b)/2] ^= 4
	}
	return f.Conn.Write(b)
}

// What arrives changed is not executed; the connection is closed, and the next one
// works. A control call is out of the faults' reach.
func TestChangedBytesBreakTheConnection(t *testing.T) {
	var on atomic.Bool
	var executed atomic.Int64
	b := listen(t, "c", func(_ context.Context, _ uint8, payload []byte) ([]byte, error) {
		executed.Add(1)
		return payload, nil
	})
	a, err := Listen(Options{
		Addr: "127.0.0.1:0", Node: "a", Cluster: func() string { return "c" }, Logger: slog.New(slog.DiscardHandler),
		Wrap:   func(nc net.Conn, _ func() string) net.Conn { return flipper{nc, &on} },
		NodeAt: func(string) string { return "b" },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	call := func(call func(context.Context, string, uint8, []byte) ([]byte, error)) error {
		_, err := call(t.Context(), b.Addr(), 1, []byte("hi"))
		return err
	}
	if err := call(a.Call); err != nil {
		t.Fatal(err)
	}
	on.Store(true)
	if err := call(a.Call); err == nil {
		t.Error("a call whose bytes were changed has an answer")
	}
	if n := executed.Load(); n != 1 {
		t.Errorf("%d calls were executed, want the first alone", n)
	}
	if err := call(a.Control); err != nil {
		t.Errorf("a control call: %v", err)
	}
	on.Store(false)
	for err := errors.New("none yet"); err != nil; {
		if err = call(a.Call); err != nil && t.Context().Err() != nil {
			t.Fatal(err)
		}
	}
}

// A snapshot that arrives changed is refused, and not taken for what the follower
// has on disk.
func TestChangedSnapshotIsRefused(t *testing.T) {
	var on atomic.Bool
	b := listen(t, "c", nil)
	serve(b.Group(1, "b.1"), func(rpc raft.RPC) {
		_, err := io.ReadAll(rpc.Reader)
		on.Store(false)
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("it was read with %v", err)
		}
		rpc.Respond(nil, kv.ErrNoLeader)
	})
	a := listen(t, "c", nil)
	a.opts.Wrap, a.opts.NodeAt = func(nc net.Conn, _ func() string) net.Conn { return flipper{nc, &on} }, func(string) string { return "b" }
	data := &startFlipping{r: bytes.NewReader(make([]byte, 1000)), on: &on}
	args := &raft.InstallSnapshotRequest{RPCHeader: header, SnapshotVersion: 1, Term: 3, Size: 1000}
	if err := a.Group(1, "a.1").InstallSnapshot("b.1", raft.ServerAddress(b.Addr()), args, new(raft.InstallSnapshotResponse), data); err == nil {
		t.Error("it was installed")
	}
}

// startFlipping lets the frame pass and changes the data.
type startFlipping struct {
	r  io.Reader
	on *atomic.Bool
}

func (s *startFlipping) Read(b []byte) (int, error) {
	s.on.Store(true)
	return s.r.Read(b)
}
