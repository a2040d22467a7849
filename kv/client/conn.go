package client

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"raftkv/kv"
	"raftkv/kv/resp"
)

// conn is one connection. It carries one command at a time.
type conn struct {
	nc     net.Conn
	in     *bufio.Reader
	used   bool // it has carried a command before: the node may have closed it since
	broken bool // its next bytes would be those of an older reply, or none at all
}

// refusal is a node's definite refusal to open a connection: a wrong password.
type refusal struct{ kv.ReplyError }

func (e refusal) Unwrap() error { return e.ReplyError }

// refusedDial tells whether err says that connections are refused for good.
func refusedDial(err error) (kv.ReplyError, bool) {
	var e refusal
	if errors.As(err, &e) {
		return e.ReplyError, judge(e.ReplyError) == refused || judge(e.ReplyError) == answered
	}
	return "", false
}

// dial opens a connection that is ready for commands.
func dial(ctx context.Context, addr string, opts *Options) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, opts.DialTimeout)
	defer cancel()
	nc, err := connect(ctx, addr, opts.TLS)
	if err != nil {
		return nil, err
	}
	c := &conn{nc: nc, in: bufio.NewReader(nc)}
	if opts.Password != "" {
		err = c.prepare(ctx, "AUTH", opts.Password)
	}
	if err == nil && opts.FollowerReads {
		err = c.prepare(ctx, "READONLY")
	}
	if err != nil {
		c.close()
		return nil, fmt.Errorf("%s: %w", addr, err)
	}
	return c, nil
}

func connect(ctx context.Context, addr string, config *tls.Config) (net.Conn, error) {
	if config == nil {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", addr)
	}
	d := tls.Dialer{Config: config}
	return d.DialContext(ctx, "tcp", addr)
}

func (c *conn) prepare(ctx context.Context, args ...string) error {
	reply, _, err := c.roundTrip(ctx, resp.AppendCommand(nil, args...))
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	if reply.Kind == kv.Error {
		return fmt.Errorf("%s: %w", args[0], refusal{kv.ReplyError(reply.Str)})
	}
	return nil
}

// roundTrip sends a command and reads its reply; the end of ctx interrupts it. An
// error breaks c; sent then tells whether the command may have been executed.
func (c *conn) roundTrip(ctx context.Context, wire []byte) (reply kv.Reply, sent bool, err error) {
	stop := context.AfterFunc(ctx, func() { c.nc.SetDeadline(time.Unix(1, 0)) })
	// A part of a command is never executed: the node waits for the rest.
	n, err := c.nc.Write(wire)
	sent = n == len(wire)
	if err == nil {
		reply, err = resp.ReadReply(c.in)
	}
	if !stop() {
		c.broken = true // its deadline has passed, or will any moment
	}
	if err != nil {
		c.broken = true
		if ctx.Err() != nil {
			err = fmt.Errorf("no reply: %w", ctx.Err())
		}
	}
	return reply, sent, err
}

func (c *conn) close() { c.nc.Close() }
