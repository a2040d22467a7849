package loadgen

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"raftkv/kv"
	"raftkv/kv/rawio"
)

// Sizes of a connection's memory. It is little: there may be thousands.
const (
	readBuffer  = 4 << 10
	dialTimeout = 2 * time.Second
)

// socket is one connection to one server.
type socket struct {
	addr string
	nc   net.Conn
	r    *bufio.Reader
	out  []byte // commands not sent yet
	ops  []int  // of the batch, whose commands are in out or await their reply

	deadline time.Time
}

func (t *RedisTarget) dialSocket(ctx context.Context, addr string, h *hub) (*socket, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	var dialer interface {
		DialContext(ctx context.Context, network, addr string) (net.Conn, error)
	} = new(net.Dialer)
	if t.opts.TLS != nil {
		dialer = &tls.Dialer{Config: t.opts.TLS}
	}
	nc, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	s := &socket{addr: addr}
	if h == nil {
		s.nc = rawio.Conn(nc)
	} else if s.nc, err = h.adopt(nc); err != nil {
		return nil, err
	}
	s.r = bufio.NewReaderSize(s, readBuffer)
	if t.opts.Password == "" {
		return s, nil
	}
	reply, err := s.call(ctx, "AUTH", t.opts.Password)
	if err == nil && reply.Kind == kv.Error {
		err = kv.ReplyError(reply.Str)
	}
	if err != nil {
		s.close()
		return nil, fmt.Errorf("%s: AUTH: %w", addr, err)
	}
	return s, nil
}

func (s *socket) close() { s.nc.Close() }

// queue adds the command of the i-th operation to what send sends.
func (s *socket) queue(i int, op *Op) {
	s.ops = append(s.ops, i)
	if op.Kind == Read {
		s.out = append(s.out, "*2\r\n$3\r\nGET\r\n"...)
		s.out = appendArg(s.out, op.Key)
		return
	}
	s.out = append(s.out, "*3\r\n$3\r\nSET\r\n"...)
	s.out = appendArg(s.out, op.Key)
	s.out = appendArg(s.out, op.Value)
}

func appendArg(dst, arg []byte) []byte {
	dst = append(dst, '$')
	dst = strconv.AppendInt(dst, int64(len(arg)), 10)
	dst = append(dst, '\r', '\n')
	dst = append(dst, arg...)
	return append(dst, '\r', '\n')
}

// limit sets the deadline of what follows. It does so only now and then: it costs as
// much as the rest of a small command.
func (s *socket) limit(now time.Time) {
	if s.deadline.Sub(now) < Timeout*9/10 {
		s.deadline = now.Add(Timeout)
		s.nc.SetDeadline(s.deadline)
	}
}

// send writes what was queued.
func (s *socket) send() error {
	_, err := s.nc.Write(s.out)
	s.out = s.out[:0]
	return err
}

// Read reads replies, for r alone. It sends what was queued first.
func (s *socket) Read(b []byte) (int, error) {
	if len(s.out) == 0 {
		return s.nc.Read(b)
	}
	n, err := rawio.Exchange(s.nc, s.out, b)
	s.out = s.out[:0]
	return n, err
}

var errReply = errors.New("the server's reply is none to GET or SET")

// receive reads the reply to op. moved is the address that a MOVED reply names;
// op has not been executed then. An error means that the connection is broken.
func (s *socket) receive(op *Op) (moved string, err error) {
	line, err := s.r.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	if len(line) < 3 {
		return "", errReply
	}
	text := line[1 : len(line)-2]
	switch line[0] {
	case '+':
		return "", nil
	case '_':
		op.Missed = op.Kind == Read
		return "", nil
	case '-':
		code, rest, _ := bytes.Cut(text, []byte(" "))
		if _, addr, ok := bytes.Cut(rest, []byte(" ")); ok && string(code) == "MOVED" {
			return serverAddr(string(addr), s.addr), nil
		}
		op.Failure = string(code)
		return "", nil
	case '$':
		if text[0] == '-' {
			op.Missed = op.Kind == Read
			return "", nil
		}
		n, err := strconv.Atoi(string(text))
		if err != nil || n < 0 {
			return "", errReply
		}
		_, err = s.r.Discard(n + 2)
		return "", err
	}
	return "", fmt.Errorf("%w: %.40q", errReply, line)
}
