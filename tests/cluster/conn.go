package cluster

import (
	"bufio"
	"errors"
	"net"
	"strings"
	"time"

	"raftkv/kv"
	"raftkv/kv/resp"
)

// callTimeout is how long a reply may take. Servers answer within 5 s, were it
// with an error.
const callTimeout = 15 * time.Second

// Conn is a plain connection to one node: it retries nothing and follows no
// redirect, so that a test knows what was sent. Not safe for concurrent use.
type Conn struct {
	Addr string
	nc   net.Conn
	r    *bufio.Reader
}

// Dial connects to a Redis address.
func Dial(addr string) (*Conn, error) {
	nc, err := net.DialTimeout("tcp", addr, 2*time.Second)
	if err != nil {
		return nil, err
	}
	return &Conn{Addr: addr, nc: nc, r: bufio.NewReader(nc)}, nil
}

// Send writes a command without waiting for its reply.
func (c *Conn) Send(args ...string) error {
	c.nc.SetDeadline(time.Now().Add(callTimeout))
	_, err := c.nc.Write(resp.AppendCommand(nil, args...))
	return err
}

// Receive reads the next reply.
func (c *Conn) Receive() (kv.Reply, error) {
	c.nc.SetDeadline(time.Now().Add(callTimeout))
	return resp.ReadReply(c.r)
}

// Do sends a command and reads its reply.
func (c *Conn) Do(args ...string) (kv.Reply, error) {
	if err := c.Send(args...); err != nil {
		return kv.Reply{}, err
	}
	return c.Receive()
}

// Close closes the connection.
func (c *Conn) Close() error { return c.nc.Close() }

// Outcome is what is known of a command.
type Outcome uint8

// The outcomes of a command.
const (
	Done    Outcome = iota // it was executed; the reply tells how
	Refused                // nothing was done and nothing will be
	Unknown                // it may have been executed, or may still be
)

// Client sends each command once and tells what is known of its outcome. It
// finds the leader by redirects and by trying. Not safe for concurrent use.
type Client struct {
	addrs []string
	next  int
	conn  *Conn
}

// Client returns a client of the cluster.
func (c *Cluster) Client() *Client {
	var addrs []string
	for _, n := range c.nodes() {
		addrs = append(addrs, n.Redis)
	}
	return ClientOf(addrs...)
}

// ClientOf returns a client of the nodes with these Redis addresses.
func ClientOf(addrs ...string) *Client { return &Client{addrs: addrs} }

// Do executes a command. With Refused, the reply is the error.
func (c *Client) Do(args ...string) (kv.Reply, Outcome) {
	for range 4 {
		if c.conn == nil {
			addr := c.addrs[c.next%len(c.addrs)]
			conn, err := Dial(addr)
			if err != nil {
				c.next++
				return kv.ErrorReply("ERR " + err.Error()), Refused
			}
			c.conn = conn
		}
		reply, err := c.conn.Do(args...)
		if err != nil {
			c.drop()
			return kv.ErrorReply("ERR " + err.Error()), Unknown
		}
		if reply.Kind != kv.Error {
			return reply, Done
		}
		switch e := kv.ReplyError(reply.Str); e.Code() {
		case "MOVED":
			fields := strings.Fields(string(e))
			c.drop()
			conn, err := Dial(fields[2])
			if err != nil {
				return reply, Refused
			}
			c.conn = conn
			continue
		case "UNCERTAIN":
			c.drop()
			return reply, Unknown
		case "CLUSTERDOWN", "BUSY", "OOM":
			c.drop()
			return reply, Refused
		}
		return reply, Done // an error that the command itself answers
	}
	return kv.ErrorReply("ERR too many redirects"), Refused
}

func (c *Client) drop() {
	c.conn.Close()
	c.conn = nil
	c.next++
}

// Close closes the client's connection.
func (c *Client) Close() {
	if c.conn != nil {
		c.conn.Close()
	}
}

// Must executes a command until it is done, for set-up and checks where doing
// it twice is harmless.
func (c *Client) Must(args ...string) (kv.Reply, error) {
	var last kv.Reply
	for deadline := time.Now().Add(Patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		reply, outcome := c.Do(args...)
		if outcome == Done {
			return reply, nil
		}
		last = reply
	}
	return last, errors.New(strings.Join(args, " ") + ": " + string(last.Str))
}
