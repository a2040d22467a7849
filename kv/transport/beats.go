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
	beatInterval = 50 * time.Millisecond
	// askLimit is how long raft may take to beat when it is asked to. It is below the
	// time after which it beats unasked, which is a tenth of its heartbeat timeout.
	askLimit = 15 * time.Millisecond
	// askPause is for how long raft is not asked after it has taken longer: its main
	// loop is busy, as with a slow disk, and must not find many questions then.
	askPause = time.Second
)

// Raft's loop for a follower beats, waits for the answer, and then for a random time
// that is shorter than an interval. Each of these waits would wake the node once
// more, between its intervals. So the loop is held in its call until the interval
// after the one in which its beat left. Then, at once: it is let go with that beat's
// answer, the next beat leaves in its name, and the group is told to ask for another
// (Group.OnBeat), so that it does not wait for its time but comes back. A loop
// that does not come back, because the replica leads no more, has one beat sent
// after its last one, of a term in which it did lead.
//
// So raft learns an interval late that a follower has answered, and a leader that
// hears nobody steps down as much later. Nothing else depends on it: who confirms
// reads and who counts as alive goes by OnAck, which is told at once. What has failed or
// was refused is not held.

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
	call   *beatCall   // raft's, that is held; nil: none
	flying *beat       // that has left and was not answered; nil: none
	last   beatOutcome // of the last one, which raft does not know yet
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

// beatOutcome is what became of a heartbeat. The zero value stands for none.
type beatOutcome struct {
	beat *beat
	resp raft.AppendEntriesResponse
	err  error
}

// urgent tells whether raft must know at once.
func (o *beatOutcome) urgent() bool { return o.beat != nil && (o.err != nil || !o.resp.Success) }

func newBeats(p *pulse.Pulse) *beats {
	return &beats{alarm: p.Alarm(), woken: make(chan struct{}, 1), waiting: make(map[*beater]struct{})}
}

// add holds a call.
func (b *beats) add(g *Group, target raft.ServerID, call *beatCall) {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !g.asked.IsZero() {
		if now.Sub(g.asked) > askLimit {
			g.askAfter = now.Add(askPause)
		}
		g.asked = time.Time{}
	}
	to := g.beaters[target]
	if to == nil {
		to = &beater{group: g, target: target}
		g.beaters[target] = to
	}
	// What is of an earlier leadership counts no more.
	if last := to.last.beat; last != nil && (last.term != call.args.Term || now.Sub(last.sent) > 2*beatInterval) {
		to.last = beatOutcome{}
	}
	if to.flying != nil && to.flying.term != call.args.Term {
		to.flying = nil
	}
	to.call = call
	if to.last.urgent() {
		b.release(to)
		return
	}
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
		to.call = nil
		delete(b.waiting, to)
	}
}

// release lets a call go with the last outcome. It must be called with mu held.
func (b *beats) release(to *beater) {
	to.call.done <- to.last
	to.call, to.last = nil, beatOutcome{}
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
			for c, all := range due {
				sendBeats(c, all)
			}
			for _, ask := range asked {
				ask()
			}
		}
	}
}

func (b *beats) any() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiting) > 0
}

// due returns the beats that leave now, and whom to tell that raft shall beat again,
// and lets go all calls whose last beat was answered.
func (b *beats) due() (due map[*clientConn][]*beat, asked []func()) {
	now := time.Now()
	due = make(map[*clientConn][]*beat)
	b.mu.Lock()
	defer b.mu.Unlock()
	for to := range b.waiting {
		if f := to.flying; f != nil {
			if now.Sub(f.sent) > urgentTimeout {
				to.flying = nil // a late answer counts for OnAck alone
				to.last = beatOutcome{beat: f, err: fmt.Errorf("%s has not answered a heartbeat for %v", to.call.conn.nc.RemoteAddr(), urgentTimeout)}
				b.release(to)
			}
			continue
		}
		to.flying = &beat{to: to, term: to.call.args.Term, sent: now, message: encodeAppend(nil, to.target, to.call.args)}
		c := to.call.conn
		due[c] = append(due[c], to.flying)
		if to.last.beat == nil {
			continue // raft's first one
		}
		b.release(to)
		if g := to.group; g.asked.IsZero() && now.After(g.askAfter) {
			if ask := g.onBeat.Load(); ask != nil {
				g.asked = now
				asked = append(asked, *ask)
			}
		}
	}
	return due, asked
}

// answered notes what became of a beat.
func (b *beats) answered(x *beat, resp raft.AppendEntriesResponse, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	to := x.to
	if to.flying != x {
		return
	}
	to.flying, to.last = nil, beatOutcome{x, resp, err}
	if to.call != nil && to.last.urgent() {
		b.release(to)
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

// beat sends a heartbeat with the next interval's, and waits until the one after
// that for its answer.
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
