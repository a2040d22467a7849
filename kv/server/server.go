package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"raftkv/kv"
	"raftkv/kv/eventlog"
	"raftkv/shard/heat"
)

// Options configure a server.
type Options struct {
	Addr       string // as told to clients, host:port
	MaxClients int
	MaxKey     int    // bytes
	MaxValue   int    // bytes
	Password   string // empty: AUTH is not needed
	// WriteTimeout closes connections of clients that do not read their replies.
	WriteTimeout time.Duration
	Version      string
	Now          func() time.Time // the node's clock; nil: the machine's
	Faults       Faults           // of RAFTKV.FAULT; nil: it is refused
	Logger       *slog.Logger
	Trace        *eventlog.Tracer // nil: no trace
}

// Defaults.
const (
	DefaultMaxKey       = 64 << 10
	defaultWriteTimeout = 30 * time.Second
	// hotKeys is how many keys are counted at a time, and hotHalfLife after what
	// time an operation counts half.
	hotKeys     = 256
	hotHalfLife = 5 * time.Second
)

// Server serves Redis clients on one listener.
type Server struct {
	opts  Options
	node  Node
	Stats *Stats
	// HotKeys are the keys that clients of this node ask for most.
	HotKeys *heat.TopKeys
	start   time.Time

	ctx    context.Context // ends when the server closes
	cancel context.CancelFunc

	loops loops // of connections that need no goroutine of their own; may be empty

	mu     sync.Mutex
	conns  map[uint64]*conn
	closed bool
	nextID atomic.Uint64
	wait   sync.WaitGroup
}

// New returns a server for node. Serve starts it.
func New(node Node, opts Options) *Server {
	if opts.MaxKey == 0 {
		opts.MaxKey = DefaultMaxKey
	}
	if opts.WriteTimeout == 0 {
		opts.WriteTimeout = defaultWriteTimeout
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	s := &Server{opts: opts, node: node, Stats: newStats(), HotKeys: heat.NewTopKeys(hotKeys, hotHalfLife), start: time.Now(), conns: make(map[uint64]*conn)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Serve accepts connections until Close. It owns l. It is called once.
func (s *Server) Serve(l net.Listener) error {
	s.startLoops()
	stop := context.AfterFunc(s.ctx, func() { l.Close() })
	defer stop()
	for {
		nc, err := l.Accept()
		if err != nil {
			if s.ctx.Err() != nil {
				return nil
			}
			var temporary interface{ Temporary() bool }
			if errors.As(err, &temporary) && temporary.Temporary() {
				// Out of file descriptors, say: others may close theirs.
				s.opts.Logger.Warn("a client could not be accepted", "topic", "server", "error", err)
				select {
				case <-time.After(50 * time.Millisecond):
				case <-s.ctx.Done():
				}
				continue
			}
			return err
		}
		s.accept(nc)
	}
}

func (s *Server) accept(nc net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		nc.Close()
		return
	case s.opts.MaxClients > 0 && len(s.conns) >= s.opts.MaxClients:
		s.Stats.Rejected.Add(1)
		s.wait.Go(func() { // with TLS this waits for the client
			nc.SetDeadline(time.Now().Add(time.Second))
			nc.Write([]byte("-ERR max number of clients reached\r\n"))
			nc.Close()
		})
		return
	}
	c := newConn(s, nc, s.nextID.Add(1))
	s.conns[c.id] = c
	s.Stats.Accepted.Add(1)
	if s.adopt(c) {
		return
	}
	s.wait.Go(func() {
		defer s.forget(c)
		c.serve()
	})
}

func (s *Server) forget(c *conn) {
	c.nc.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c.id)
}

// Clients returns how many clients are connected.
func (s *Server) Clients() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// list returns the connections at this moment.
func (s *Server) list() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*conn, 0, len(s.conns))
	for _, c := range s.conns {
		out = append(out, c)
	}
	return out
}

// Close stops accepting, lets pipelines that are being executed get their
// replies, and returns when all connections are closed.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	conns := make([]*conn, 0, len(s.conns))
	for _, c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	s.cancel()
	for _, c := range conns {
		if !c.leave() {
			c.nc.SetReadDeadline(time.Now()) // ends the wait for the next command
		}
	}
	s.wait.Wait()
}

// redirect says where a command for slot should go.
func (s *Server) redirect(r Route, slot uint16) kv.ReplyError {
	if r.LeaderAddr == nil {
		return kv.ErrUnserved
	}
	addr := r.LeaderAddr()
	if addr == "" || addr == s.opts.Addr {
		return kv.ErrNoLeader
	}
	return kv.Moved(slot, addr)
}
