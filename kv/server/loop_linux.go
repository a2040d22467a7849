package server

import (
	"context"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

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
//
// The kernel's set of sockets (epoll) is itself something that Go's runtime can wait
// for, so that a loop that waits takes no thread.
type loop struct {
	server  *Server
	poll    *os.File
	fd      int
	raw     syscall.RawConn
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
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	l := &loop{server: s, poll: os.NewFile(uintptr(fd), "epoll"), fd: fd, conns: make(map[uint64]*conn), reads: make(map[Group]*readers), company: make(map[uint32]*gather.Gather)}
	// That fails where the runtime cannot wait for it: some kernels have no epoll of epolls.
	if err = l.poll.SetReadDeadline(time.Time{}); err == nil {
		l.raw, err = l.poll.SyscallConn()
	}
	if err != nil {
		l.poll.Close()
		return nil, err
	}
	l.answers, l.sockets = &pass{loop: l}, rawio.NewExchanger()
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
	// Edges, not levels: a socket whose turn lasts is not told of again and again.
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(c.id), Pad: int32(c.id >> 32)}
	if err := unix.EpollCtl(l.fd, unix.EPOLL_CTL_ADD, sock.fd, &event); err != nil {
		s.opts.Logger.Warn("a client could not be accepted", "topic", "server", "error", os.NewSyscallError("epoll_ctl", err))
		c.loop.state.Store(busy)
		s.wait.Go(c.end)
	}
	return true
}

// run serves what comes until the server has closed and the last connection has gone.
func (l *loop) run() {
	defer l.poll.Close()
	defer l.sockets.Close()
	defer context.AfterFunc(l.server.ctx, l.nudge)()
	events := make([]unix.EpollEvent, maxEvents)
	pass := &pass{loop: l}
	serve := func(uintptr) bool {
		for n := maxEvents; n == maxEvents; {
			n = rawio.Poll(l.fd, events)
			pass.begin()
			for i := range events[:n] {
				if c := l.woken(&events[i]); c != nil {
					pass.conns = append(pass.conns, c)
				}
			}
			pass.receive()
			pass.end()
		}
		return false // go on waiting: what comes from now on is an edge
	}
	for !l.over() {
		l.raw.Read(serve)                   // until it is nudged
		l.poll.SetReadDeadline(time.Time{}) // for the next nudge
	}
}

// nudge makes run look whether it is over.
func (l *loop) nudge() { l.poll.SetReadDeadline(time.Unix(1, 0)) }

func (l *loop) over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns) == 0 && l.server.ctx.Err() != nil
}

// woken returns the connection of an event if something may have come on it and nobody
// runs its turn: that is for the caller to do. Else nil.
func (l *loop) woken(e *unix.EpollEvent) *conn {
	id := uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32
	l.mu.Lock()
	c := l.conns[id]
	l.mu.Unlock()
	if c == nil {
		return nil
	}
	const ended = unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR
	if e.Events&(unix.EPOLLOUT|ended) != 0 {
		c.loop.socket.wrote()
	}
	if e.Events&ended != 0 {
		c.loop.ended.Store(true)
	}
	if e.Events&(unix.EPOLLIN|ended) != 0 && c.wake() {
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
		l.nudge()
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
