package server

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"raftkv/kv/rawio"
)

// socket is a connection whose file descriptor Go's runtime does not watch: a loop
// does. One goroutine at a time may read and write; the other methods may be called
// from any.
type socket struct {
	local, remote net.Addr
	fd            int
	// writable has a value when the kernel has taken what it had not room for.
	writable chan struct{}

	mu       sync.Mutex
	closed   bool
	deadline time.Time // of writes
}

var _ net.Conn = (*socket)(nil)

// takeOver makes a socket of nc, which is closed. It fails if nc has no file
// descriptor, and leaves nc as it was.
func takeOver(nc net.Conn) (*socket, error) {
	s := &socket{local: nc.LocalAddr(), remote: nc.RemoteAddr(), writable: make(chan struct{}, 1)}
	var err error
	s.fd, err = rawio.Detach(nc)
	return s, err
}

// Write writes all of b, and waits for room until the deadline.
func (s *socket) Write(b []byte) (sent int, err error) {
	for {
		n, errno := rawio.Send(s.fd, b[sent:])
		sent += n
		switch errno {
		case 0:
			return sent, nil
		case unix.EAGAIN:
			if err := s.room(); err != nil {
				return sent, err
			}
		default:
			return sent, os.NewSyscallError("write", errno)
		}
	}
}

// room waits until the kernel may take more.
func (s *socket) room() error {
	s.mu.Lock()
	deadline := s.deadline
	s.mu.Unlock()
	var late <-chan time.Time
	if !deadline.IsZero() {
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-s.writable:
		return nil
	case <-late:
		return os.ErrDeadlineExceeded
	}
}

// wrote notes that there may be room again.
func (s *socket) wrote() {
	select {
	case s.writable <- struct{}{}:
	default:
	}
}

// Read is here for net.Conn alone: loops tell when there is something to receive.
func (s *socket) Read([]byte) (int, error) { return 0, errors.ErrUnsupported }

// Close ends the connection for both sides. The descriptor stays until release: whoever
// runs a turn may be using it.
func (s *socket) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	return unix.Shutdown(s.fd, unix.SHUT_RDWR)
}

// release gives the descriptor back. Who runs the turn calls it, as the last thing.
func (s *socket) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		unix.Close(s.fd)
	}
}

func (s *socket) LocalAddr() net.Addr             { return s.local }
func (s *socket) RemoteAddr() net.Addr            { return s.remote }
func (s *socket) SetDeadline(time.Time) error     { return errors.ErrUnsupported }
func (s *socket) SetReadDeadline(time.Time) error { return errors.ErrUnsupported }

// SetWriteDeadline sets until when Write waits for room.
func (s *socket) SetWriteDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline = t
	return nil
}
