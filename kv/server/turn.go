package server

import (
	"time"

	"raftkv/kv"
	"raftkv/kv/command"
	"raftkv/kv/eventlog"
	"raftkv/kv/group"
	"raftkv/kv/store"
)

// turn executes the commands of one connection that were in the socket
// together. Reads of a group share one read index and writes one proposal, and
// yet every command sees the effects of those before it, and none of those
// behind it:
//
//   - a read behind writes to its group rides in the log with them;
//   - a write behind reads first waits until they are executed.
type turn struct {
	conn  *conn
	start time.Time
	runs  []*run // the groups in use; few
	free  []*run
	steps []step
	next  int             // the step to be answered next
	homes map[uint16]*run // where the slots of steps are, if there are several runs
	arena [][]byte        // arguments of the turn's commands
}

// step is one command whose reply is due.
type step struct {
	spec *command.Spec
	slot uint16
	run  *run
	read bool
	at   int // index in the run's reads or proposal
}

// raw returns the command of a write, as it entered the proposal.
func (s *step) raw() []byte {
	p, from := s.run.proposal, 0
	if s.at > 0 {
		from = p.Ends[s.at-1]
	}
	return p.Commands[from:p.Ends[s.at]]
}

// reply returns what the step was answered by its group.
func (s *step) reply() *kv.Reply {
	if s.read {
		return &s.run.replies[s.at]
	}
	return &s.run.proposal.Replies[s.at]
}

// run is what a turn does in one group.
type run struct {
	group    Group
	stale    bool
	proposal *group.Proposal
	reads    []readStep
	replies  []kv.Reply // of reads
}

type readStep struct {
	spec *command.Spec
	slot uint16
	args [][]byte
}

func (t *turn) begin(now time.Time) {
	t.start = now
	if cap(t.arena) > 4096 {
		t.arena = nil
	}
	t.arena = t.arena[:0]
}

// space returns where the next command's arguments may be appended.
func (t *turn) space() [][]byte { return t.arena[len(t.arena):len(t.arena):cap(t.arena)] }

// taken notes that args were appended to space.
func (t *turn) taken(args [][]byte) {
	n := len(t.arena)
	if n+len(args) <= cap(t.arena) && len(args) > 0 && &t.arena[: n+1 : n+1][n] == &args[0] {
		t.arena = t.arena[:n+len(args)]
		return
	}
	// append moved them to a larger array: go on there, older ones stay valid.
	t.arena = args
}

// pending tells whether commands wait to be executed.
func (t *turn) pending() bool { return len(t.steps) > 0 }

func (t *turn) runOf(g Group) *run {
	for _, r := range t.runs {
		if r.group == g {
			return r
		}
	}
	var r *run
	if n := len(t.free); n > 0 {
		r, t.free = t.free[n-1], t.free[:n-1]
	} else {
		r = &run{proposal: group.NewProposal()}
	}
	r.group = g
	t.runs = append(t.runs, r)
	return r
}

// read adds a command that only reads. False: see inline.
func (t *turn) read(spec *command.Spec, slot uint16, g Group, args [][]byte, raw []byte) bool {
	r := t.runFor(slot, g)
	if r == nil {
		return false
	}
	if len(r.proposal.Ends) > 0 {
		t.add(step{spec: spec, slot: slot, run: r, at: len(r.proposal.Ends)})
		r.proposal.Add(raw)
		return true
	}
	t.add(step{spec: spec, slot: slot, run: r, read: true, at: len(r.reads)})
	r.reads = append(r.reads, readStep{spec, slot, args})
	return true
}

// write adds a command that goes through the log. False: see inline.
func (t *turn) write(spec *command.Spec, slot uint16, g Group, raw []byte) bool {
	r := t.runFor(slot, g)
	if r == nil {
		return false
	}
	if len(r.reads) > 0 || len(r.proposal.Commands)+len(raw) > maxTurnBytes && len(r.proposal.Ends) > 0 {
		if !t.settled() {
			return false
		}
		r = t.runOf(g)
	}
	t.add(step{spec: spec, slot: slot, run: r, at: len(r.proposal.Ends)})
	r.proposal.Add(raw)
	return true
}

// runFor returns where a command on slot is added, or nil: see inline.
func (t *turn) runFor(slot uint16, g Group) *run {
	if t.foreign(g) {
		return nil
	}
	r := t.runOf(g)
	if t.hasMoved(slot, r) {
		if !t.settled() {
			return nil
		}
		r = t.runOf(g)
	}
	return r
}

// hasMoved tells whether commands on slot wait in another run than r, because the slot has
// changed hands since they came. The group that had it refuses them, and if the new one
// executed those behind them first, the earlier would overwrite the later.
func (t *turn) hasMoved(slot uint16, r *run) bool {
	if len(t.runs) < 2 {
		return false
	}
	if t.homes == nil {
		t.homes = make(map[uint16]*run)
	}
	if len(t.homes) == 0 {
		for i := range t.steps {
			t.homes[t.steps[i].slot] = t.steps[i].run
		}
	}
	if home, ok := t.homes[slot]; ok {
		return home != r
	}
	t.homes[slot] = r
	return false
}

// foreign tells whether g is another group than that of a turn which may have only one.
func (t *turn) foreign(g Group) bool {
	return t.conn.inline && len(t.runs) > 0 && t.runs[0].group != g
}

func (t *turn) add(s step) { t.steps = append(t.steps, s) }

// settled sees that nothing is pending. False: that would have to be waited for, and
// the turn must not.
func (t *turn) settled() bool {
	if t.pending() && t.conn.inline {
		return false
	}
	t.settle()
	return true
}

// settle executes what is pending and appends the replies in order.
func (t *turn) settle() {
	if !t.pending() {
		return
	}
	for _, r := range t.runs {
		if len(r.proposal.Ends) > 0 {
			r.group.Propose(r.proposal)
		}
	}
	for _, r := range t.runs {
		if len(r.reads) > 0 {
			r.execute(t.conn)
		}
	}
	for _, r := range t.runs {
		if len(r.proposal.Ends) > 0 {
			r.proposal.Wait()
		}
	}
	t.answer()
}

// answer appends the replies of what has been executed, and empties the turn. False:
// see inline; call it again where it may wait.
func (t *turn) answer() bool {
	c := t.conn
	for ; t.next < len(t.steps); t.next++ {
		s := &t.steps[t.next]
		r := s.reply()
		if c.inline && (unserved(r) || unled(r) || len(c.out) > flushBytes) {
			return false
		}
		if s.read {
			countRead(s.run.group, s.slot, r)
		} else {
			countWrite(s.run.group, s.slot, len(s.raw()), r)
		}
		t.finish(s, r)
	}
	t.observe()
	t.clear()
	return true
}

func (t *turn) observe() {
	took, reads := time.Since(t.start), 0
	for i := range t.steps {
		if t.steps[i].read {
			reads++
		}
	}
	stats := t.conn.server.Stats
	if reads > 0 {
		stats.Reads.observe(took, reads)
	}
	if writes := len(t.steps) - reads; writes > 0 {
		stats.Writes.observe(took, writes)
	}
}

// finish counts and appends one reply. A group that turned out not to serve
// here any more has done nothing, so the client is sent to the one that does.
func (t *turn) finish(s *step, r *kv.Reply) {
	c := t.conn
	if unserved(r) || unled(r) {
		again := t.again(s)
		r = &again
	}
	c.server.Stats.count(s.spec, outcomeOf(r))
	if r.Kind == kv.Error {
		t.traceError(s, r)
	}
	c.reply(*r)
}

// traceError writes what a client is told instead of a result.
func (t *turn) traceError(s *step, r *kv.Reply) {
	at := eventlog.Place{Group: eventlog.NoGroup}
	if s.run.group != nil {
		at.Group = s.run.group.ID()
	}
	c := t.conn
	c.server.opts.Trace.Line(eventlog.TopicClient, "error answered", at).Text("command", s.spec.Name).Uint("slot", uint64(s.slot)).
		Text("error", string(r.Str)).Text("from", c.nc.RemoteAddr().String()).Took("took", time.Since(t.start)).Write()
}

// again executes a step that nothing came of because its slot was on its way to
// another group, or its group's leadership to another node. Steps of one slot are refused
// together, and come here in order.
func (t *turn) again(s *step) kv.Reply {
	server := t.conn.server
	if s.read {
		args := s.run.reads[s.at].args
		return server.untilServed(s.slot, func(g Group) kv.Reply { return readOn(server.ctx, g, s.slot, s.spec, args, server.opts.Now()) })
	}
	raw := s.raw()
	return server.untilServed(s.slot, func(g Group) kv.Reply { return writeOn(g, s.slot, raw) })
}

func (t *turn) clear() {
	for _, r := range t.runs {
		r.group = nil
		r.proposal.Reset()
		clear(r.reads)
		clear(r.replies)
		r.reads, r.replies = r.reads[:0], r.replies[:0]
	}
	t.free = append(t.free, t.runs...)
	t.runs = t.runs[:0]
	clear(t.steps)
	clear(t.homes)
	t.steps, t.next = t.steps[:0], 0
}

// execute runs the reads under one lock, after one read index for all.
func (r *run) execute(c *conn) {
	// A group answers in bounded time; a deadline here would cost a timer a turn.
	if err := r.group.ReadIndex(c.server.ctx, group.Linearizable); err != nil {
		r.failReads(errorReply(err))
		return
	}
	now := c.server.opts.Now().UnixMilli()
	r.group.View(func(st *store.Store) { r.readFrom(&command.Ctx{Store: st, Now: now}) })
}

// readFrom runs the reads, under the state's lock.
func (r *run) readFrom(x *command.Ctx) {
	for _, read := range r.reads {
		if !r.group.Serves(read.slot) { // it has moved away since the command came
			r.replies = append(r.replies, kv.ErrUnserved.Reply())
			continue
		}
		r.replies = append(r.replies, read.spec.Exec(x, read.args))
	}
}

func (r *run) failReads(reply kv.Reply) {
	for range r.reads {
		r.replies = append(r.replies, reply)
	}
}

// errorReply makes the reply for an error of a group: all of theirs are
// kv.ReplyErrors.
func errorReply(err error) kv.Reply {
	if e, ok := err.(kv.ReplyError); ok {
		return e.Reply()
	}
	return kv.ErrorReply("ERR " + err.Error())
}
