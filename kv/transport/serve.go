package transport

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"raftkv/kv/rawio"
)

// queued is how many requests of a group may wait on a connection before it is
// not read any further.
const queued = 32

// maxCalls bounds how many calls of one connection are executed at a time.
const maxCalls = 256

// serverConn serves a connection that another node has dialed. Requests of a
// group are executed in order, those of different groups beside each other.
type serverConn struct {
	t      *Transport
	nc     net.Conn
	peer   string // the node that has dialed
	r      *bufio.Reader
	ctx    context.Context // ends with the connection
	queues map[uint32]chan frame
	calls  chan struct{}
	wait   sync.WaitGroup

	writeMu  sync.Mutex
	buf      []byte
	deadline writeDeadline
}

func (t *Transport) serve(nc net.Conn) {
	limitUnconfirmed(nc, unconfirmed)
	nc = rawio.Conn(nc)
	s := &serverConn{t: t, nc: nc, r: bufio.NewReaderSize(nc, 64<<10), queues: make(map[uint32]chan frame), calls: make(chan struct{}, maxCalls)}
	// Not nc itself: what stands around it may have to send the last answer still.
	defer func() { s.nc.Close() }()
	if err := s.welcome(); err != nil {
		t.opts.Logger.Debug("a connection to the peer port was refused", "topic", "node", "from", nc.RemoteAddr().String(), "error", err)
		return
	}
	ctx, cancel := context.WithCancel(t.ctx)
	s.ctx = ctx
	defer s.wait.Wait()
	defer cancel()
	for {
		f, err := readFrame(s.r)
		if err != nil {
			t.complain(s.nc, err)
			return
		}
		if f.kind != request {
			return
		}
		switch f.method {
		case methodCall:
			select {
			case s.calls <- struct{}{}:
			case <-ctx.Done():
				return
			}
			s.wait.Go(func() {
				defer func() { <-s.calls }()
				s.respond(f)(s.t.opts.Handle(ctx, uint8(f.group), f.payload))
			})
		case methodSnapshot:
			if !s.snapshot(f) {
				return
			}
		case methodBeats:
			s.beats(f)
		case methodAppend:
			if s.heartbeat(f) {
				continue
			}
			fallthrough
		default:
			select {
			case s.queue(f.group) <- f:
			case <-ctx.Done():
				return
			}
		}
	}
}

// welcome reads the hello and answers it.
func (s *serverConn) welcome() error {
	s.nc.SetDeadline(time.Now().Add(dialTimeout))
	h, err := readHello(s.r)
	if err != nil {
		return err
	}
	s.peer = h.node
	if s.t.opts.Wrap != nil && !h.control {
		s.nc = s.t.opts.Wrap(s.nc, func() string { return h.node })
		s.nc.SetDeadline(time.Now().Add(dialTimeout))
	}
	if own := s.t.opts.Cluster(); own != "" && h.cluster != "" && own != h.cluster {
		refusal := RemoteError(fmt.Sprintf("node %s is of cluster %s, node %s of cluster %s", s.t.opts.Node, own, h.node, h.cluster))
		s.respond(frame{})(nil, refusal)
		return refusal
	}
	s.respond(frame{})(nil, nil)
	s.deadline = writeDeadline{}
	return s.nc.SetDeadline(time.Time{})
}

// heartbeat executes a heartbeat at once. It is answered from the connection's
// own goroutine: reads wait for it.
func (s *serverConn) heartbeat(f frame) bool {
	payload, err := s.executeHeartbeat(f.group, f.payload)
	if errors.Is(err, errNoHeartbeat) {
		return false
	}
	s.respond(f)(payload, err)
	return true
}

func (s *serverConn) noReplica(group uint32) error {
	return fmt.Errorf("node %s has no replica of group %d", s.t.opts.Node, group)
}

// queue returns where a group's requests wait, and begins to work on them.
func (s *serverConn) queue(group uint32) chan frame {
	q := s.queues[group]
	if q == nil {
		q = make(chan frame, queued)
		s.queues[group] = q
		s.wait.Go(func() {
			for {
				select {
				case f := <-q:
					s.raft(f)
				case <-s.ctx.Done():
					return
				}
			}
		})
	}
	return q
}

// raft executes one raft request.
func (s *serverConn) raft(f frame) {
	g := s.t.group(f.group)
	if g == nil {
		s.respond(f)(nil, s.noReplica(f.group))
		return
	}
	s.respond(f)(g.execute(s.ctx, s.peer, f, nil))
}

// snapshot executes an InstallSnapshot, whose data follows its frame. It tells
// whether the connection can be used further.
func (s *serverConn) snapshot(f frame) bool {
	g := s.t.group(f.group)
	if g == nil {
		s.respond(f)(nil, s.noReplica(f.group))
		return false
	}
	data := &chunkReader{r: &progressReader{nc: s.nc, r: s.r}, failed: func(err error) { s.t.complain(s.nc, err) }}
	payload, err := g.execute(s.ctx, s.peer, f, data)
	s.nc.SetReadDeadline(time.Time{})
	s.respond(f)(payload, err)
	return false // what raft has not read would be taken for a frame
}

// progressReader fails if nothing comes for a while.
type progressReader struct {
	nc net.Conn
	r  io.Reader
}

func (p *progressReader) Read(b []byte) (int, error) {
	p.nc.SetReadDeadline(time.Now().Add(snapshotStall))
	return p.r.Read(b)
}

// respond returns a function that answers f.
func (s *serverConn) respond(f frame) func(payload []byte, err error) {
	return func(payload []byte, err error) {
		out := frame{kind: answer, method: f.method, group: f.group, id: f.id}
		if err != nil {
			var text string
			out.kind, text = encodeError(err)
			payload = []byte(text)
		}
		s.writeMu.Lock()
		defer s.writeMu.Unlock()
		s.buf = appendFrame(s.buf[:0], out, func(dst []byte) []byte { return append(dst, payload...) })
		s.deadline.extend(s.nc)
		if _, err := s.nc.Write(s.buf); err != nil {
			s.nc.Close() // the reader notices
		}
		if cap(s.buf) > 1<<20 {
			s.buf = nil
		}
	}
}
