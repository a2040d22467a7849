package transport

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/kv/pulse"
)

const (
	// beatInterval is how often heartbeats leave. Raft beats for each follower of each
	// group by itself, and on a node with many groups the wake-ups cost more than all
	// else when nothing happens. So beats wait for the next full interval of the wall
	// clock, and all that are for one node then go as one message and are answered by
	// one. A follower hears from its leader once an interval: it must be well below
	// the shortest election timeout (group.Timings).
	//
	// Reads do not wait for it: they are confirmed by heartbeats of their own (Confirm).
	beatInterval = 100 * time.Millisecond
	// askLimit is how long raft may take to beat when it is asked to. It is below the
	// time after which it beats unasked, which is a tenth of its heartbeat timeout.
	askLimit = 15 * time.Millisecond
	// askPause is for how long raft is not asked after it has taken longer: its main
	// loop is busy, as with a slow disk, and must not find many questions then.
	askPause = time.Second
)

// Raft's loop for a follower beats, waits for the answer, and then for a random time
// that is shorter than an interval. That wait would wake the node once more, between
// its intervals. So the loop is held in its call until the next interval; when
// its beat leaves, the group is told to ask for another (Group.OnBeat); and it is
// let go with the answer, which comes later than raft has taken the question. So the loop
// finds that it is to beat again, comes back at once, and sets no timer. One that it sets and
// does not wait for is no better: Go's runtime wakes up for most of those.

// beats are the heartbeats of all groups.
type beats struct {
	alarm *pulse.Alarm
	woken chan struct{} // has room for one

	mu      sync.Mutex
	waiting map[*beater]struct{} // those with a call
}

// beater beats for one follower of a group. Its fields are guarded by beats.mu.
type beater struct {
	group  *Group
	target raft.ServerID
	call   *beatCall // raft's, that is held; nil: none
	flying *beat     // that has left for it and was not answered; nil: none
	let    time.Time // when the last call was let go, if raft had been asked for the next; else zero
}

// beatCall is raft's call for a heartbeat.
type beatCall struct {
	conn *clientConn
	args *raft.AppendEntriesRequest
	done chan beatOutcome // has room for one
}

// beat is a heartbeat of one group.
type beat struct {
	to      *beater
	term    uint64
	sent    time.Time
	message []byte
}

// beatOutcome is what became of a heartbeat.
type beatOutcome struct {
	resp raft.AppendEntriesResponse
	err  error
}

// errOvertaken is the outcome of a call whose loop beats for a leadership that has ended.
var errOvertaken = errors.New("the replica beats for a later leadership")

func newBeats(p *pulse.Pulse) *beats {
	return &beats{alarm: p.Alarm(), woken: make(chan struct{}, 1), waiting: make(map[*beater]struct{})}
}

// add holds a call.
func (b *beats) add(g *Group, target raft.ServerID, call *beatCall) {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	to := g.beaters[target]
	if to == nil {
		to = &beater{group: g, target: target}
		g.beaters[target] = to
	}
	if !to.let.IsZero() && now.Sub(to.let) > askLimit {
		g.askAfter = now.Add(askPause)
	}
	g.asked, to.let = false, time.Time{}
	if to.call != nil {
		to.flying = nil
		b.release(to, beatOutcome{err: errOvertaken})
	}
	to.call = call
	b.waiting[to] = struct{}{}
	select {
	case b.woken <- struct{}{}:
	default:
	}
}

// remove takes back a call that raft does not wait for any more.
func (b *beats) remove(g *Group, target raft.ServerID, call *beatCall) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if to := g.beaters[target]; to.call == call {
		to.call, to.flying = nil, nil
		delete(b.waiting, to)
	}
}

// release lets a call go. It must be called with mu held.
func (b *beats) release(to *beater, o beatOutcome) {
	to.call.done <- o
	to.call = nil
	if to.group.asked && o.err == nil {
		to.let = time.Now()
	}
	delete(b.waiting, to)
}

// run sends the beats of all calls that are held, every full interval, until ctx ends.
func (b *beats) run(ctx context.Context) {
	defer b.alarm.Stop()
	for {
		select {
		case <-b.woken:
		case <-ctx.Done():
			return
		}
		for b.any() {
			b.alarm.Set(beatInterval)
			select {
			case <-b.alarm.C:
			case <-ctx.Done():
				return
			}
			due, asked := b.due()
			for _, ask := range asked {
				ask()
			}
			for c, all := range due {
				sendBeats(c, all)
			}
		}
	}
}

func (b *beats) any() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiting) > 0
}

// due returns the beats that leave now, and whom to tell that raft shall beat again.
func (b *beats) due() (due map[*clientConn][]*beat, asked []func()) {
	now := time.Now()
	due = make(map[*clientConn][]*beat)
	b.mu.Lock()
	defer b.mu.Unlock()
	for to := range b.waiting {
		if f := to.flying; f != nil {
			if now.Sub(f.sent) > urgentTimeout {
				to.flying = nil // a late answer counts for OnAck alone
				b.release(to, beatOutcome{err: fmt.Errorf("%s has not answered a heartbeat for %v", to.call.conn.nc.RemoteAddr(), urgentTimeout)})
			}
			continue
		}
		to.flying = &beat{to: to, term: to.call.args.Term, sent: now, message: encodeAppend(nil, to.target, to.call.args)}
		c := to.call.conn
		due[c] = append(due[c], to.flying)
		if g := to.group; !g.asked && now.After(g.askAfter) {
			if ask := g.onBeat.Load(); ask != nil {
				g.asked = true
				asked = append(asked, *ask)
			}
		}
	}
	return due, asked
}

// answered tells raft what became of a beat.
func (b *beats) answered(x *beat, resp raft.AppendEntriesResponse, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if to := x.to; to.flying == x {
		to.flying = nil
		b.release(to, beatOutcome{resp, err})
	}
}

// sendBeats sends heartbeats over one connection, as one request.
func sendBeats(c *clientConn, all []*beat) {
	x := &exchange{conn: c}
	peer := nodeOf(all[0].to.target)
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
			dst = putNumber(dst, uint64(b.to.group.id))
			dst = putBytes(dst, b.message)
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
		resp, err := raft.AppendEntriesResponse{}, err
		if err == nil {
			f := frame{kind: frameKind(answers.number()), payload: answers.bytes()}
			if err = answers.err(); err == nil {
				var part []byte
				if part, err = f.result(); err == nil {
					err = decodeAppendAnswer(part, &resp)
				}
			}
		}
		g := b.to.group
		if err == nil {
			g.acknowledge(b.to.target, b.sent, &raft.AppendEntriesRequest{Term: b.term}, &resp)
		}
		g.t.beats.answered(b, resp, err)
	}
}

// beat sends a heartbeat with the next interval's, and waits for its answer.
func (g *Group) beat(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	link := g.t.peer(string(target)).urgent
	c := link.live()
	if c == nil {
		ctx, cancel := context.WithTimeout(g.ctx, urgentTimeout)
		defer cancel()
		var err error
		if c, err = link.get(ctx); err != nil {
			return err
		}
	}
	call := &beatCall{conn: c, args: args, done: make(chan beatOutcome, 1)}
	g.t.beats.add(g, id, call)
	select {
	case o := <-call.done:
		*resp = o.resp
		return o.err
	case <-g.ctx.Done():
		g.t.beats.remove(g, id, call)
		return errTransportClosed
	}
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
