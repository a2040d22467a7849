package check

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"raftkv/kv"
	"raftkv/kv/history"
)

// client is one of those who work on the keys. It asks one thing at a time, and
// writes values that nobody else writes, so that an explanation of what is read
// leaves no choice. Not safe for concurrent use.
type client struct {
	run     *run
	id      int
	rnd     *rand.Rand
	seq     int
	session string
	conn    *conn            // to whom it believes to lead
	readers map[string]*conn // for reads of one node, by address
	at      int              // the node that it tries next
	last    map[string]string
}

// request is an operation on its way.
type request struct {
	op      *history.Operation
	tag     *tag // whose keys it is about
	words   [][]string
	once    bool   // in a session: it may be sent again
	node    string // the address of the only node that is asked; empty: who leads
	proxied bool   // by HTTP
}

// Patience of a client with one answer: sometimes little, so that answers get lost,
// and sometimes more than a node hangs, so that it answers when it goes on.
const (
	leastPatience = 100 * time.Millisecond
	mostPatience  = 4 * time.Second
	// sessionPatience is how long an operation in a session is sent again.
	sessionPatience = 6 * time.Second
)

func newClient(r *run, id int) *client {
	return &client{run: r, id: id, rnd: rand.New(rand.NewPCG(r.config.Seed, uint64(id+1))), at: id,
		session: fmt.Sprintf("check-%x-%d", r.identity, id), readers: make(map[string]*conn), last: make(map[string]string)}
}

// work works until ctx ends.
func (c *client) work(ctx context.Context) {
	var at *window
	for ctx.Err() == nil {
		w := c.run.current.Load()
		if w != at {
			at, c.last = w, make(map[string]string)
		}
		if !w.enter() {
			continue // the next window is there
		}
		c.do(ctx, w, c.next(w))
		w.leave()
		sleep(ctx, time.Duration(c.rnd.Int64N(int64(2*c.run.config.Think))))
	}
}

func (c *client) close() {
	if c.conn != nil {
		c.conn.close()
	}
	for _, r := range c.readers {
		r.close()
	}
}

// readShare is how many of a hundred operations read.
const readShare = 42

// next makes up an operation.
func (c *client) next(w *window) request {
	c.seq++
	t := w.tags[c.rnd.IntN(len(w.tags))]
	r := request{op: &history.Operation{Client: c.id}, tag: t}
	if c.rnd.IntN(100) < readShare {
		look := draw(c.rnd, c.run.mix.looks, func(l *look) int { return l.weight })
		r.op.Steps = []history.Step{{Kind: history.Get, Key: look.key(t)}}
		if c.roams() && c.rnd.IntN(2) == 0 {
			r.node = c.run.config.Redis[c.rnd.IntN(len(c.run.config.Redis))]
			r.op.Note = "any node"
		} else if c.run.mix.proxy && c.rnd.IntN(4) == 0 {
			r.proxied = true
		}
	} else {
		write := draw(c.rnd, c.run.mix.writes, func(w *write) int { return w.weight })
		r.op.Steps = write.steps(c, t, fmt.Sprintf("[%d.%d]", c.id, c.seq))
		r.once, r.proxied = write.once, write.proxied
	}
	if r.once {
		r.op.Note = "once"
	}
	if r.proxied {
		r.node = c.run.config.HTTP[c.rnd.IntN(len(c.run.config.HTTP))]
		r.op.Note = "http"
	}
	r.words = commands(r.op)
	if r.once {
		head := []string{"RAFTKV.ONCE", r.op.Steps[0].Key, c.session, strconv.Itoa(c.seq)}
		r.words = [][]string{append(head, r.words[0]...)}
	}
	return r
}

// roams tells whether the client reads from any node. Not all do: a node that hangs
// holds up those who ask it, and others must go on meanwhile.
func (c *client) roams() bool { return c.id%2 == 1 && c.run.mix.roam }

// do sends an operation, again if it is in a session and its outcome is unknown, and
// writes down what came of it.
func (c *client) do(ctx context.Context, w *window, r request) {
	began := c.run.now()
	r.op.Call, r.op.At = began, began
	if r.node == "" { // one that hangs is no outage
		r.tag.outage.ask(began)
	}
	var reply kv.Reply
	end, maybe := refused, false // maybe: an earlier try may have been executed
	for try := 0; ; try++ {
		var where string
		reply, end, where = c.send(r)
		if end == done {
			r.op.Node = c.run.nodeName(where)
			break
		}
		maybe = maybe || end == unknown
		again := maybe && r.once || !maybe && try < 3 && r.node == ""
		if !again || ctx.Err() != nil || time.Duration(c.run.now()-began) > sessionPatience {
			break
		}
		sleep(ctx, time.Duration(1+c.rnd.IntN(30))*time.Millisecond)
	}
	if end != done {
		c.run.missed(end)
	}
	if r.node == "" {
		c.run.waited(r.tag.outage.end(c.run.now(), end == done))
	}
	switch {
	case end == done && reply.Kind == kv.Error:
		c.run.surprise(w, r.op, string(reply.Str))
		r.op.Forget()
	case end == done:
		c.run.answered()
		r.op.Return = c.run.now()
		c.learn(r.op, &reply)
	case maybe && r.op.Writes():
		r.op.Forget()
	default:
		return
	}
	w.record(*r.op)
	if o, leased := c.expiry(r.op); leased {
		w.record(o)
	}
}

// expiry makes the operation by which a deadline ends what o has set: no sooner than
// the time after its call, and no later than the time after its return.
func (c *client) expiry(o *history.Operation) (history.Operation, bool) {
	s := &o.Steps[0]
	if s.TTL == 0 {
		return history.Operation{}, false
	}
	ttl := time.Duration(s.TTL) * time.Millisecond
	e := history.Operation{Client: c.run.config.Clients + c.id, Note: "by the clock", Steps: []history.Step{{Kind: history.Expire, Key: s.Key, Value: s.Value}}}
	e.Call = max(o.Call, o.Call+int64(ttl-c.run.skew))
	e.At = e.Call
	if o.Unknown {
		e.Forget()
	} else {
		e.Return = o.Return + int64(ttl+c.run.skew)
	}
	return e, true
}

// send sends an operation once, and follows redirects. where is who answered.
func (c *client) send(r request) (reply kv.Reply, end outcome, where string) {
	patience := leastPatience + time.Duration(c.rnd.Int64N(int64(mostPatience-leastPatience)))
	if c.rnd.IntN(3) == 0 {
		patience = leastPatience
	}
	if r.node != "" {
		if c.rnd.IntN(5) > 0 {
			// A node that hangs has questions of the last moment when it goes on.
			patience = min(patience, time.Duration(1+c.rnd.IntN(3))*leastPatience)
		}
		if r.proxied {
			reply, end = c.overHTTP(r, patience)
		} else {
			reply, end = c.read(r, patience)
		}
		return reply, end, r.node
	}
	for range 4 {
		if c.conn == nil {
			c.at++
			conn, err := dial(c.run.config.Redis[c.at%len(c.run.config.Redis)], c.run.config.Password, false)
			if err != nil {
				return reply, refused, ""
			}
			c.conn = conn
		}
		where = c.conn.addr
		var err error
		reply, err = c.conn.do(patience, r.words...)
		var moved string
		if end, moved = outcomeOf(reply, err); end == done {
			return reply, end, where
		}
		c.conn.close()
		c.conn = nil
		if moved == "" {
			return reply, end, where
		}
		if c.conn, err = dial(moved, c.run.config.Password, false); err != nil {
			c.conn = nil
			return reply, refused, where
		}
	}
	return reply, refused, where
}

// read asks one node, whoever leads.
func (c *client) read(r request, patience time.Duration) (kv.Reply, outcome) {
	conn := c.readers[r.node]
	if conn == nil {
		var err error
		if conn, err = dial(r.node, c.run.config.Password, true); err != nil {
			return kv.Reply{}, refused
		}
		c.readers[r.node] = conn
	}
	reply, err := conn.do(patience, r.words...)
	end, _ := outcomeOf(reply, err)
	if err != nil {
		conn.close()
		delete(c.readers, r.node)
	}
	return reply, end
}

// learn takes an answer into the history.
func (c *client) learn(o *history.Operation, reply *kv.Reply) {
	o.Answered(reply)
	for i := range o.Steps {
		if s := &o.Steps[i]; s.Kind == history.Get {
			c.last[s.Key] = s.Got
		}
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
