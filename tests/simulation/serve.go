package simulation

import (
	"context"
	"time"

	"raftkv/kv"
	"raftkv/kv/command"
	"raftkv/kv/group"
	"raftkv/kv/history"
	"raftkv/kv/resp"
	"raftkv/kv/store"
	"raftkv/shard"
)

// outcome is what a client knows of a command.
type outcome uint8

const (
	done    outcome = iota // it was executed; the reply tells how
	refused                // nothing was done and nothing will be
	unknown                // it may have been executed, or may be yet
)

// request is a command on its way to a node.
type request struct {
	op      *history.Operation
	session string // not empty: exactly once
	seq     uint64
}

// send has a node execute a request. What the client gets is late, or lost when
// the process ends; the request goes on without the client if it takes longer
// than patience. elsewhere tells that another node may lead.
func (n *node) send(r request, patience time.Duration) (reply kv.Reply, end outcome) {
	p := n.running()
	if p == nil {
		return kv.ErrorReply("no process"), refused
	}
	type answer struct {
		reply kv.Reply
		end   outcome
	}
	answers := make(chan answer, 1)
	n.sim.requests.Go(func() {
		n.travel()
		reply, end := p.execute(r)
		n.travel()
		answers <- answer{reply, end}
	})
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case a := <-answers:
		if p.isGone() {
			return kv.Reply{}, unknown
		}
		return a.reply, a.end
	case <-p.gone:
	case <-timer.C:
	}
	return kv.Reply{}, unknown
}

// travel takes the time from a client to a node or back, which is long if the
// node is paused.
func (n *node) travel() {
	net := n.host.net
	net.mu.Lock()
	wait := time.Duration(100+net.rnd.IntN(900)) * time.Microsecond
	net.mu.Unlock()
	time.Sleep(wait)
	for {
		net.mu.Lock()
		paused, changed := net.hosts[n.host.addr].paused > 0, net.changed
		net.mu.Unlock()
		if !paused {
			return
		}
		<-changed
	}
}

// execute does what kv/server does with a command.
func (p *process) execute(r request) (kv.Reply, outcome) {
	if p.isGone() {
		return kv.Reply{}, unknown
	}
	slot := shard.Slot([]byte(r.op.Steps[0].Key))
	var g *group.Group
	for _, x := range p.list() {
		if x.Serves(slot) && (g == nil || x.Serving()) {
			g = x
		}
	}
	if g == nil {
		return kv.ErrUnserved.Reply(), refused
	}
	if !r.op.Writes() {
		return p.read(g, slot, r)
	}
	return p.write(g, r)
}

func (p *process) read(g *group.Group, slot uint16, r request) (reply kv.Reply, end outcome) {
	mode := group.Linearizable
	if p.node.sim.options.Broken == UnconfirmedReads && g.Serving() {
		mode = group.Stale
	}
	if err := g.ReadIndex(context.Background(), mode); err != nil {
		return kv.ErrorReply(err.Error()), refused
	}
	args := arguments(&r.op.Steps[0])
	g.View(func(st *store.Store) {
		if !g.Serves(slot) {
			reply, end = kv.ErrUnserved.Reply(), refused
			return
		}
		reply = command.Lookup(args[0]).Exec(&command.Ctx{Store: st, Now: time.Now().UnixMilli()}, args)
	})
	return reply, end
}

func (p *process) write(g *group.Group, r request) (kv.Reply, outcome) {
	proposal := group.NewProposal()
	proposal.Add(r.encode(p.node.sim.options.Broken == NoSessions))
	g.Propose(proposal)
	if p.node.sim.options.Broken == AckBeforeCommit && g.Serving() && len(r.op.Steps) == 1 && r.op.Steps[0].Kind == history.Set {
		p.node.sim.requests.Go(proposal.Wait)
		return kv.OK, done
	}
	proposal.Wait()
	reply := proposal.Replies[0]
	if reply.Kind != kv.Error {
		return reply, done
	}
	switch e := kv.ReplyError(reply.Str); e.Code() {
	case "UNCERTAIN":
		return reply, unknown
	case "CLUSTERDOWN", "BUSY":
		return reply, refused
	}
	return reply, done // an error of the command
}

// arguments of a step as a command.
func arguments(s *history.Step) (out [][]byte) {
	for _, word := range s.Command() {
		out = append(out, []byte(word))
	}
	return out
}

// encode makes the command as it enters the log; plain leaves the session away.
func (r *request) encode(plain bool) []byte {
	if len(r.op.Steps) > 1 {
		var commands [][][]byte
		for i := range r.op.Steps {
			commands = append(commands, arguments(&r.op.Steps[i]))
		}
		return command.AppendExec(nil, nil, commands)
	}
	args := arguments(&r.op.Steps[0])
	if r.session != "" && !plain {
		head := [][]byte{[]byte("RAFTKV.ONCE"), []byte(r.op.Steps[0].Key), []byte(r.session), kvNumber(r.seq)}
		args = append(head, args...)
	}
	return resp.AppendCommand(nil, args...)
}
