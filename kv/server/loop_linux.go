package server

import (
	"context"
	"runtime"
	"sync"

	"raftkv/kv/gather"
	"raftkv/kv/rawio"
)

// loops are what serves connections in common.
type loops []*loop

// loop watches the sockets of many connections. What has come on them at one moment is
// read, and then executed together: one hand-over to a group, and one from it, for all
// of their commands. A goroutine for each connection would be woken for each, and ask
// the kernel twice for each command, the second time in vain. Redis and its like work
// in this way; here nothing that waits may be done by a loop, see conn.inline.
type loop struct {
	server  *Server
	poller  *rawio.Poller
	sockets *rawio.Exchanger // reads and writes many at once

	mu         sync.Mutex
	conns      map[uint64]*conn
	reads      map[Group]*readers
	company    map[uint32]*gather.Gather // of groups without readers
	written    []*conn                   // whose proposals have come back
	concluding bool
	answers    *pass // of the one who concludes
}

// maxEvents is how many sockets are served before the loop looks again.
const maxEvents = 256

// startLoops makes as many loops as the processors of this process can use. Without
// any, connections have goroutines.
func (s *Server) startLoops() {
	for range max(1, runtime.GOMAXPROCS(0)/2) {
		l, err := newLoop(s)
		if err != nil {
			s.opts.Logger.Warn("connections get a goroutine each: the kernel has no epoll for them", "topic", "server", "error", err)
			return
		}
		s.loops = append(s.loops, l)
		s.wait.Go(l.run)
	}
}

func newLoop(s *Server) (*loop, error) {
	poller, err := rawio.NewPoller()
	if err != nil {
		return nil, err
	}
	l := &loop{
		server: s, poller: poller, sockets: rawio.NewExchanger(),
		conns: make(map[uint64]*conn), reads: make(map[Group]*readers), company: make(map[uint32]*gather.Gather),
	}
	l.answers = &pass{loop: l}
	return l, nil
}

// adopt gives c to a loop, if it can be.
func (s *Server) adopt(c *conn) bool {
	if len(s.loops) == 0 {
		return false
	}
	sock, err := takeOver(c.nc)
	if err != nil {
		return false
	}
	l := s.loops[c.id%uint64(len(s.loops))]
	c.nc, c.inline = sock, true
	c.loop.loop, c.loop.socket = l, sock
	c.loop.written = func() { l.wroteBack(c) }
	s.wait.Add(1)
	l.mu.Lock()
	l.conns[c.id] = c
	l.mu.Unlock()
	if err := l.poller.Add(sock.fd, c.id); err != nil {
		s.opts.Logger.Warn("a client could not be accepted", "topic", "server", "error", err)
		c.loop.state.Store(busy)
		s.wait.Go(c.end)
	}
	return true
}

// run serves what comes until the server has closed and the last connection has gone.
func (l *loop) run() {
	defer l.poller.Close()
	defer l.sockets.Close()
	defer context.AfterFunc(l.server.ctx, l.poller.Nudge)()
	events := make([]rawio.Event, maxEvents)
	pass := &pass{loop: l}
	serve := func() {
		for n := maxEvents; n == maxEvents; {
			n = l.poller.Look(events)
			pass.begin()
			for i := range events[:n] {
				if c := l.woken(&events[i]); c != nil {
					pass.conns = append(pass.conns, c)
				}
			}
			pass.receive()
			pass.end()
		}
	}
	for !l.over() {
		l.poller.Wait(serve)
	}
}

func (l *loop) over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns) == 0 && l.server.ctx.Err() != nil
}

// woken returns the connection of an event if something may have come on it and nobody
// runs its turn: that is for the caller to do. Else nil.
func (l *loop) woken(e *rawio.Event) *conn {
	l.mu.Lock()
	c := l.conns[rawio.Of(e)]
	l.mu.Unlock()
	if c == nil {
		return nil
	}
	if rawio.Writable(e) {
		c.loop.socket.wrote()
	}
	if rawio.Ended(e) {
		c.loop.ended.Store(true)
	}
	if rawio.Readable(e) && c.wake() {
		return c
	}
	return nil
}

// forget takes c out of the loop's hands.
func (l *loop) forget(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c.id)
	if len(l.conns) == 0 && l.server.ctx.Err() != nil {
		l.poller.Nudge()
	}
}

// wroteBack is told that c's proposal has come back.
func (l *loop) wroteBack(c *conn) {
	l.mu.Lock()
	l.written = append(l.written, c)
	begin := !l.concluding
	l.concluding = true
	l.mu.Unlock()
	if begin {
		l.server.wait.Go(l.conclude)
	}
}

// conclude answers those whose proposals have come back, until none has.
func (l *loop) conclude() {
	p := l.answers
	var all []*conn
	for {
		l.mu.Lock()
		all, l.written = l.written, all[:0]
		l.concluding = len(all) > 0
		l.mu.Unlock()
		if len(all) == 0 {
			return
		}
		p.begin()
		p.conclude(all)
		p.end()
		clear(all)
	}
}
