package check

import (
	"bufio"
	"errors"
	"net"
	"strings"
	"time"

	"raftkv/kv"
	"raftkv/kv/resp"
)

// dialTimeout bounds opening a connection.
const dialTimeout = time.Second

// conn is a plain connection to one node: it repeats nothing and follows no redirect,
// so it is known what was sent. Not safe for concurrent use.
type conn struct {
	addr  string
	nc    net.Conn
	in    *bufio.Reader
	greet [][]string // what goes before the first command, in the same breath: a node that hangs must have that, too
}

// dial connects to a Redis address, for reads of followers if readonly is set.
func dial(addr, password string, readonly bool) (*conn, error) {
	nc, err := net.DialTimeout("tcp", addr, dialTimeout)
	if err != nil {
		return nil, err
	}
	c := &conn{addr: addr, nc: nc, in: bufio.NewReader(nc)}
	if password != "" {
		c.greet = append(c.greet, []string{"AUTH", password})
	}
	if readonly {
		c.greet = append(c.greet, []string{"READONLY"})
	}
	return c, nil
}

// do sends commands together and returns the reply to the last one, or to the first
// one before it that is an error. An error of its own says that no answer came.
func (c *conn) do(patience time.Duration, commands ...[]string) (kv.Reply, error) {
	c.nc.SetDeadline(time.Now().Add(patience))
	commands = append(c.greet, commands...)
	c.greet = nil
	var wire []byte
	for _, words := range commands {
		wire = resp.AppendCommand(wire, words...)
	}
	if _, err := c.nc.Write(wire); err != nil {
		return kv.Reply{}, err
	}
	var failed, last kv.Reply
	for range commands {
		r, err := resp.ReadReply(c.in)
		if err != nil {
			return r, err
		}
		if last = r; r.Kind == kv.Error && failed.Kind != kv.Error {
			failed = r
		}
	}
	if failed.Kind == kv.Error {
		return failed, nil
	}
	return last, nil
}

func (c *conn) close() { c.nc.Close() }

// outcome is what is known of a command.
type outcome uint8

const (
	done    outcome = iota // it was executed; the reply tells how
	refused                // nothing was done and nothing will be
	unknown                // it may have been executed, or will yet
)

// outcomeOf reads an answer. moved is where another node serves the slot.
func outcomeOf(reply kv.Reply, err error) (end outcome, moved string) {
	if failed := (*net.OpError)(nil); errors.As(err, &failed) && failed.Op == "dial" {
		return refused, ""
	}
	if err != nil {
		return unknown, ""
	}
	if reply.Kind != kv.Error {
		return done, ""
	}
	e := kv.ReplyError(reply.Str)
	switch e.Code() {
	case "MOVED":
		if fields := strings.Fields(string(e)); len(fields) == 3 {
			moved = fields[2]
		}
		return refused, moved
	case "UNCERTAIN":
		return unknown, ""
	case "CLUSTERDOWN", "BUSY", "OOM", "EXECABORT":
		return refused, ""
	}
	if e == kv.ErrDiskFull {
		return refused, ""
	}
	return done, "" // an error of the command itself, which no command here can have
}
