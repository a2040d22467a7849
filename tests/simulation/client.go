package simulation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"raftkv/kv"
	"raftkv/kv/history"
)

// client is one of those who work on a few keys. It asks one thing at a time and
// writes values that nobody else writes.
type client struct {
	sim     *sim
	id      int
	rnd     *rand.Rand
	seq     uint64
	at      int               // the node that it tries first
	last    map[string]string // what it believes registers to hold
	session string
}

func kvNumber(n uint64) []byte { return strconv.AppendUint(nil, n, 10) }

// think is how long a client rests between two requests, on average.
const think = 100 * time.Millisecond

// run works until ctx ends.
func (c *client) run(ctx context.Context) {
	for ctx.Err() == nil {
		if sleep(ctx, time.Duration(c.rnd.Int64N(int64(2*think)))) != nil {
			return
		}
		r := c.next()
		c.do(r)
		if step := r.op.Steps[0]; r.op.Return != 0 && r.op.Writes() && c.rnd.IntN(3) == 0 {
			// What it has just written must be seen by whoever answers.
			c.do(request{op: &history.Operation{Client: c.id, Note: anyNode, Steps: []history.Step{{Kind: history.Get, Key: step.Key}}}})
		}
	}
}

// anyNode marks a read that goes to a node by chance, and nowhere else.
const anyNode = "any node"

// next makes up a request.
func (c *client) next() request {
	c.seq++
	tag := c.sim.tags[c.rnd.IntN(len(c.sim.tags))]
	register, counter, list := tag+"r", tag+"n", tag+"l"
	value := fmt.Sprintf("[%d.%d]", c.id, c.seq)
	steps, once, note := []history.Step(nil), false, ""
	switch n := c.rnd.IntN(100); {
	case n < 22:
		steps = []history.Step{{Kind: history.Get, Key: []string{register, counter, list}[c.rnd.IntN(3)]}}
	case n < 38:
		steps, note = []history.Step{{Kind: history.Get, Key: []string{register, counter, list}[c.rnd.IntN(3)]}}, anyNode
	case n < 50:
		steps = []history.Step{{Kind: history.Set, Key: register, Value: value}}
	case n < 60:
		steps = []history.Step{{Kind: history.Swap, Key: register, Old: c.last[register], Value: value}}
	case n < 63:
		steps = []history.Step{{Kind: history.Delete, Key: register}}
	case n < 70:
		steps = []history.Step{{Kind: history.Incr, Key: counter}}
	case n < 80:
		steps, once, note = []history.Step{{Kind: history.Incr, Key: counter}}, true, "once"
	case n < 84:
		steps = []history.Step{{Kind: history.Append, Key: list, Value: value}}
	case n < 92:
		steps, once, note = []history.Step{{Kind: history.Append, Key: list, Value: value}}, true, "once"
	default:
		steps = []history.Step{{Kind: history.Incr, Key: counter}, {Kind: history.Append, Key: list, Value: value}, {Kind: history.Get, Key: counter}}
	}
	if len(c.last[list]) > 150 { // keep lists short
		steps, once, note = []history.Step{{Kind: history.Delete, Key: list}}, false, ""
		c.last[list] = ""
	}
	r := request{op: &history.Operation{Client: c.id, Steps: steps, Note: note}}
	if once {
		r.session, r.seq = c.session, c.seq
	}
	return r
}

// do sends a request, again if it is in a session and its outcome is unknown, and
// writes down what came of it.
func (c *client) do(r request) {
	s, o := c.sim, r.op
	o.Call, o.At = s.tick(), int64(time.Since(s.began))
	patience := time.Duration(500+c.rnd.IntN(6000)) * time.Millisecond
	var reply kv.Reply
	end := refused
	maybe := false // an earlier try may have been executed
	for try := 0; try < 40; try++ {
		at := c.at
		if o.Note == anyNode {
			at = c.rnd.IntN(len(s.nodes))
		}
		o.Node = s.nodes[at].name
		reply, end = s.nodes[at].send(r, patience)
		if end == done {
			break
		}
		if at == c.at {
			c.at = c.rnd.IntN(len(s.nodes))
		}
		maybe = maybe || end == unknown
		if o.Note == anyNode || maybe && r.session == "" || !maybe && try >= len(s.nodes) {
			break
		}
		time.Sleep(time.Duration(1+c.rnd.IntN(50)) * time.Millisecond)
	}
	switch {
	case end == done && reply.Kind == kv.Error:
		s.violate("client %d: %s is answered %s", c.id, o, reply)
		return
	case end == done:
		o.Return = s.tick()
		c.learn(o, &reply)
	case maybe && o.Writes():
		o.Forget()
	default:
		return
	}
	s.record(o)
}

// learn takes a reply into the history.
func (c *client) learn(o *history.Operation, reply *kv.Reply) {
	o.Answered(reply)
	for i := range o.Steps {
		if step := &o.Steps[i]; step.Kind == history.Get {
			c.last[step.Key] = step.Got
		}
	}
}
