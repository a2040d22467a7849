package server

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"raftkv/kv"
	"raftkv/kv/command"
	"raftkv/kv/resp"
)

// Bounds of one turn of a connection: a turn takes what lies in the socket,
// executes it, and writes all replies at once. What is beyond waits in the
// socket, so that a client that sends faster than it is served slows down.
const (
	maxTurnCommands = 1024
	maxTurnBytes    = 256 << 10
	// flushBytes is when replies are written before the turn ends.
	flushBytes = 256 << 10
	// minBuffer is the read buffer of an idle connection, and keepBuffer the
	// largest that a connection keeps after a large command.
	minBuffer  = 4 << 10
	keepBuffer = 64 << 10
	// maxQuery bounds one command with all its arguments.
	maxQuery = 64 << 20
)

// conn is one client. Who runs its turn alone touches it, except for what is
// atomic or under mu.
type conn struct {
	server *Server
	nc     net.Conn
	id     uint64
	born   time.Time

	in       []byte // read buffer; in[from:] is unread input
	from     int
	out      []byte // replies not yet written
	args     [][]byte
	protocol int  // 2 or 3
	closing  bool // after the replies
	// writeUntil is the deadline of writes to a client that does not read.
	writeUntil time.Time
	// inline says that the turn is run by who has others to serve: what would have to
	// wait is left undone then, and reported by false or errMustWait. A goroutine of the
	// connection's own goes on there (advance_linux.go).
	inline bool
	loop   looped

	authenticated bool
	readonly      bool
	turn          turn
	multi         transaction

	lastActive atomic.Int64 // Unix ns
	lastName   atomic.Pointer[string]
	mu         sync.Mutex // guards what CLIENT LIST shows
	name       string
	libName    string
	libVersion string
}

func newConn(s *Server, nc net.Conn, id uint64) *conn {
	c := &conn{
		server:        s,
		nc:            nc,
		id:            id,
		born:          time.Now(),
		protocol:      2,
		authenticated: s.opts.Password == "",
	}
	c.turn.conn = c
	c.lastActive.Store(c.born.UnixNano())
	return c
}

// serve runs turns until the client leaves or misbehaves.
func (c *conn) serve() {
	for c.fill() == nil && c.runTurn() {
	}
}

// runTurn executes what is in the buffer, waiting for whatever it takes. False: the
// connection is to be closed.
func (c *conn) runTurn() bool {
	c.begin(time.Now())
	return c.finishTurn()
}

func (c *conn) begin(now time.Time) {
	c.lastActive.Store(now.UnixNano())
	c.turn.begin(now)
}

// finishTurn is runTurn for a turn that has begun.
func (c *conn) finishTurn() bool {
	err := c.execute()
	c.turn.settle()
	if err != nil {
		c.violated(err)
	}
	return c.flush() == nil && !c.ending()
}

// violated answers a protocol error, after which nothing is understood any more.
func (c *conn) violated(err error) {
	c.server.Stats.ProtocolErrors.Add(1)
	c.reply(kv.ErrorReply(err.Error()))
	c.closing = true
}

// ending tells whether the connection is to be closed after the replies.
func (c *conn) ending() bool { return c.closing || c.server.ctx.Err() != nil }

// errMustWait ends a turn before a command that has to wait; see conn.inline.
var errMustWait = errors.New("a command has to wait")

// execute runs the whole commands of the buffer, as many as a turn may have. It
// returns a resp.ProtocolError after which the connection must be closed, or
// errMustWait.
func (c *conn) execute() error {
	start := c.from
	for n := 0; n < maxTurnCommands && c.from-start < maxTurnBytes && !c.closing; n++ {
		before := c.from
		raw, err := c.next()
		if errors.Is(err, resp.ErrIncomplete) {
			if len(c.in)-c.from > maxQuery {
				return resp.ProtocolError("too big command")
			}
			return nil
		}
		if err != nil {
			return err
		}
		if len(c.args) == 0 {
			continue
		}
		if !c.dispatch(raw) {
			c.from = before
			return errMustWait
		}
		c.server.Stats.Commands.Add(1)
	}
	return nil
}

// next parses one command from the buffer into c.args and returns its bytes as
// RESP array. Both stay valid until the turn ends.
func (c *conn) next() (raw []byte, err error) {
	buf := c.in[c.from:]
	if len(buf) == 0 {
		return nil, resp.ErrIncomplete
	}
	if buf[0] == '*' {
		args, n, err := resp.ParseCommand(buf, c.turn.space(), c.maxBulk())
		if err != nil {
			return nil, err
		}
		c.args = args
		c.turn.taken(args)
		c.from += n
		return buf[:n:n], nil
	}
	args, n, err := resp.ParseInline(buf, c.turn.space())
	if err != nil {
		return nil, err
	}
	c.args = args
	c.turn.taken(args)
	c.from += n
	if len(args) > 0 && isHTTP(args[0]) {
		// Somebody's browser, or an attack through it. Redis closes as well.
		c.server.opts.Logger.Warn("an HTTP request came to the Redis port; the connection is closed", "topic", "server", "client", c.nc.RemoteAddr().String())
		c.closing = true
		return nil, resp.ErrIncomplete
	}
	return resp.AppendCommand(nil, args...), nil
}

func isHTTP(name []byte) bool {
	return bytes.EqualFold(name, []byte("post")) || bytes.EqualFold(name, []byte("host:"))
}

// maxBulk bounds one argument. Somewhat too long values get a clear error of
// their own; much longer ones are not even read.
func (c *conn) maxBulk() int {
	if !c.authenticated {
		return 16 << 10
	}
	return max(4*c.server.opts.MaxValue, 16<<20)
}

// fill reads input. If the buffer holds whole commands that the last turn had
// no room for, it returns at once.
func (c *conn) fill() error {
	if c.from < len(c.in) && c.hasCommand() {
		return nil
	}
	c.makeRoom()
	n, err := c.nc.Read(c.in[len(c.in):cap(c.in)])
	c.in = c.in[:len(c.in)+n]
	c.server.Stats.BytesIn.Add(uint64(n))
	if n > 0 {
		return nil
	}
	return err
}

// hasCommand tells whether the buffer begins with something that executes, be
// it an error.
func (c *conn) hasCommand() bool {
	var err error
	var space [8][]byte
	if buf := c.in[c.from:]; buf[0] == '*' {
		_, _, err = resp.ParseCommand(buf, space[:0], c.maxBulk())
	} else {
		_, _, err = resp.ParseInline(buf, space[:0])
	}
	return !errors.Is(err, resp.ErrIncomplete)
}

// makeRoom moves what is unread to the front and grows or shrinks the buffer.
func (c *conn) makeRoom() {
	unread := c.in[c.from:]
	switch {
	case c.in == nil:
		c.in = make([]byte, 0, minBuffer)
	case len(unread) == 0 && cap(c.in) > keepBuffer:
		c.in = make([]byte, 0, minBuffer)
	case len(unread) == cap(c.in), len(c.in) == cap(c.in) && len(unread) > cap(c.in)/2:
		grown := make([]byte, len(unread), 2*cap(c.in))
		copy(grown, unread)
		c.in = grown
	default:
		n := copy(c.in[:cap(c.in)], unread)
		c.in = c.in[:n]
	}
	c.from = 0
}

// reply appends a reply to the output, and writes it if there is much of it.
func (c *conn) reply(r kv.Reply) {
	c.out = resp.AppendReply(c.out, &r, c.protocol)
	if len(c.out) > flushBytes && !c.inline && c.flush() != nil {
		c.closing = true
	}
}

// flush writes the output. A client that does not read for WriteTimeout is cut
// off: until then its replies are bounded by one turn.
func (c *conn) flush() error {
	if len(c.out) == 0 {
		return nil
	}
	// Setting a deadline costs as much as a small command: one is good for many
	// replies, as long as half of the time is left.
	timeout := c.server.opts.WriteTimeout
	if now := time.Now(); c.writeUntil.Sub(now) < timeout/2 {
		c.writeUntil = now.Add(timeout)
		c.nc.SetWriteDeadline(c.writeUntil)
	}
	n, err := c.nc.Write(c.out)
	c.sent(n)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.server.Stats.SlowReaders.Add(1)
	}
	return err
}

// sent notes that all of the output has gone, n bytes of it at last.
func (c *conn) sent(n int) {
	c.server.Stats.BytesOut.Add(uint64(n))
	if cap(c.out) > 2*flushBytes {
		c.out = nil
	} else {
		c.out = c.out[:0]
	}
}

// checkSizes refuses keys and values over the limits, before anything is done.
func (c *conn) checkSizes(spec *command.Spec, args [][]byte) kv.ReplyError {
	o := &c.server.opts
	total := 0
	for _, a := range args {
		total += len(a)
		if len(a) > o.MaxValue {
			return kv.ReplyError(fmt.Sprintf("ERR an argument of '%s' has %d bytes, the limit is %d (flag --max-value)", spec.Name, len(a), o.MaxValue))
		}
	}
	if total <= o.MaxKey {
		return "" // no key can be too long
	}
	for i := spec.FirstKey; i > 0 && i < len(args); i += spec.Step {
		if len(args[i]) > o.MaxKey {
			return kv.ReplyError(fmt.Sprintf("ERR a key of '%s' has %d bytes, the limit is %d", spec.Name, len(args[i]), o.MaxKey))
		}
		if spec.LastKey > 0 && i >= spec.LastKey {
			break
		}
	}
	// Large entries delay heartbeats; a command is bounded as a whole.
	if limit := maxCommandBytes(o.MaxValue); total > limit {
		return kv.ReplyError(fmt.Sprintf("ERR '%s' has %d bytes of arguments, the limit is %d: split it", spec.Name, total, limit))
	}
	return ""
}

// maxCommandBytes bounds one command that enters the log.
func maxCommandBytes(maxValue int) int { return max(2*maxValue, 4<<20) }
