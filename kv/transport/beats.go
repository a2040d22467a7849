package transport

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// beatInterval is how often heartbeats leave. Raft beats for each follower of each
// group by itself, and on a node with many groups the wake-ups cost more than all
// else when nothing happens. So beats wait for the next full interval of the wall
// clock, and all that are for one node then go as one message and are answered by
// one. A follower hears from its leader once an interval: it must be well below
// the shortest election timeout (group.Timings).
//
// Reads do not wait for it: they are confirmed by heartbeats of their own (Confirm).
const beatInterval = 50 * time.Millisecond

// beats are the heartbeats that wait for the next interval.
type beats struct {
	mu      sync.Mutex
	waiting map[*clientConn][]*beat
	woken   chan struct{} // has room for one
}

// beat is a heartbeat of one group.
type beat struct {
	group  *Group
	target raft.ServerID
	args   *raft.AppendEntriesRequest
	done   chan struct{} // closed when the rest is set
	sent   time.Time
	answer []byte
	err    error
}

func newBeats() *beats {
	return &beats{waiting: make(map[*clientConn][]*beat), woken: make(chan struct{}, 1)}
}

func (b *beats) add(c *clientConn, x *beat) {
	b.mu.Lock()
	first := len(b.waiting) == 0
	b.waiting[c] = append(b.waiting[c], x)
	b.mu.Unlock()
	if first {
		select {
		case b.woken <- struct{}{}:
		default:
		}
	}
}

// run sends what waits, every full interval, until ctx ends.
func (b *beats) run(ctx context.Context) {
	timer := time.NewTimer(beatInterval)
	defer timer.Stop()
	for {
		select {
		case <-b.woken:
		case <-ctx.Done():
			return
		}
		timer.Reset(beatInterval - time.Duration(time.Now().UnixNano())%beatInterval)
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		b.mu.Lock()
		due := b.waiting
		b.waiting = make(map[*clientConn][]*beat, len(due))
		b.mu.Unlock()
		for c, all := range due {
			sendBeats(c, all)
		}
	}
}

// sendBeats sends heartbeats over one connection, as one request.
func sendBeats(c *clientConn, all []*beat) {
	sent := time.Now()
	x := &exchange{conn: c}
	peer := nodeOf(all[0].target)
	x.sending = func(number uint64) {
		if c.t.tracesBeats(number) {
			c.t.traceBeats("sent", number, peer, groupsOf(all))
		}
	}
	x.answered = func(payload []byte, err error) {
		if err == nil && c.t.tracesBeats(x.id) {
			c.t.traceBeats("returned", x.id, peer, "")
		}
		settleBeats(all, payload, err)
	}
	err := c.start(x, methodBeats, 0, func(dst []byte) []byte {
		for _, b := range all {
			b.sent = sent
			dst = putNumber(dst, uint64(b.group.id))
			dst = putBytes(dst, encodeAppend(nil, b.target, b.args))
		}
		return dst
	})
	if err != nil && x.id == 0 { // otherwise the connection's end has settled them
		settleBeats(all, nil, err)
	}
}

// settleBeats gives every beat its part of the answer.
func settleBeats(all []*beat, payload []byte, err error) {
	answers := &coder{b: payload}
	for _, b := range all {
		if b.err = err; err == nil {
			f := frame{kind: frameKind(answers.number()), payload: answers.bytes()}
			if b.err = answers.err(); b.err == nil {
				b.answer, b.err = f.result()
			}
		}
		close(b.done)
	}
}

// beat sends a heartbeat with the next interval's and waits for its answer.
func (g *Group) beat(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	ctx, cancel := context.WithTimeout(g.ctx, urgentTimeout)
	defer cancel()
	c, err := g.t.peer(string(target)).urgent.get(ctx)
	if err != nil {
		return err
	}
	b := &beat{group: g, target: id, args: args, done: make(chan struct{})}
	g.t.beats.add(c, b)
	select {
	case <-b.done:
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", c.nc.RemoteAddr(), ctx.Err())
	}
	if b.err != nil {
		return b.err
	}
	if err := decodeAppendAnswer(b.answer, resp); err != nil {
		return err
	}
	g.acknowledge(id, b.sent, args, resp)
	return nil
}

// beats executes the heartbeats of a message, and answers them in one.
func (s *serverConn) beats(f frame) {
	traced := s.t.tracesBeats(f.id)
	if traced {
		s.t.traceBeats("received", f.id, s.peer, "")
	}
	var out []byte
	in := &coder{b: f.payload}
	for len(in.b) > 0 {
		group, request := uint32(in.number()), in.bytes()
		if err := in.err(); err != nil {
			s.respond(f)(nil, err)
			return
		}
		kind, payload := answer, []byte(nil)
		answered, err := s.executeHeartbeat(group, request)
		if err != nil {
			var text string
			kind, text = encodeError(err)
			payload = []byte(text)
		} else {
			payload = answered
		}
		out = putBytes(putNumber(out, uint64(kind)), payload)
	}
	if traced {
		s.t.traceBeats("answered", f.id, s.peer, "")
	}
	s.respond(f)(out, nil)
}

// errNoHeartbeat is the error of a request that is none, or that the replica here
// cannot take as one now.
var errNoHeartbeat = errors.New("it is no heartbeat for the replica here")

// executeHeartbeat hands a heartbeat to raft's short cut.
func (s *serverConn) executeHeartbeat(group uint32, payload []byte) ([]byte, error) {
	g := s.t.group(group)
	if g == nil {
		return nil, s.noReplica(group)
	}
	args, err := decodeHeartbeat(payload, g.replica)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	handler := g.heartbeatHandler
	g.mu.Unlock()
	if args == nil || handler == nil {
		return nil, errNoHeartbeat
	}
	responses := make(chan raft.RPCResponse, 1)
	handler(raft.RPC{Command: args, RespChan: responses})
	return g.response(s.ctx, responses)
}
