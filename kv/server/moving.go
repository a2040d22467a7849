package server

import (
	"context"
	"time"

	"raftkv/kv"
	"raftkv/kv/command"
	"raftkv/kv/group"
	"raftkv/kv/store"
)

const (
	// movingWait bounds how long a command waits for a slot that is being handed over to
	// another group, or by its leader to another node. It takes milliseconds, unless something
	// fails meanwhile.
	movingWait = 3 * time.Second
	// movingLook is how often is looked who leads: nobody tells when another node begins to.
	movingLook = 5 * time.Millisecond
)

// route tells who serves a slot. While it is being handed over nobody does: then
// route waits, so that clients see a pause instead of an error.
func (s *Server) route(slot uint16) Route {
	r := s.node.Route(slot)
	if !r.Moving {
		return r
	}
	timer, look := time.NewTimer(movingWait), time.NewTicker(movingLook)
	defer timer.Stop()
	defer look.Stop()
	for {
		changed := s.node.Changed()
		if r = s.node.Route(slot); !r.Moving {
			return r
		}
		select {
		case <-changed:
		case <-look.C:
		case <-timer.C:
			return r
		case <-s.ctx.Done():
			return r
		}
	}
}

// untilServed executes a command for slot that nothing came of because the slot
// was on its way: with the group that serves it now if that leads here. Else the
// client is sent there.
func (s *Server) untilServed(slot uint16, execute func(Group) kv.Reply) kv.Reply {
	led := false
	for until := time.Now().Add(movingWait); ; {
		route := s.route(slot)
		if !route.Leader {
			return s.redirect(route, slot).Reply()
		}
		r := execute(route.Group)
		switch {
		case unserved(&r) && time.Now().Before(until):
		case unled(&r) && !led:
			led = true
		default:
			return r
		}
	}
}

// unserved tells whether a reply says that the group had not the slot. Nothing
// was done then.
func unserved(r *kv.Reply) bool {
	return r.Kind == kv.Error && kv.ReplyError(r.Str) == kv.ErrUnserved
}

// unled tells whether a reply says that the group did not lead here any more, or not yet.
// Nothing was done then.
func unled(r *kv.Reply) bool {
	if r.Kind != kv.Error {
		return false
	}
	err := kv.ReplyError(r.Str)
	return err == kv.ErrNoLeader || err == kv.ErrNotReady
}

// writeOn executes one command for slot, as a RESP array, through a group's log.
func writeOn(g Group, slot uint16, raw []byte) kv.Reply {
	r := logOn(g, raw)
	countWrite(g, slot, len(raw), &r)
	return r
}

// logOn is writeOn for a command that is counted otherwise.
func logOn(g Group, raw []byte) kv.Reply {
	p := group.NewProposal()
	p.Add(raw)
	g.Propose(p)
	p.Wait()
	return p.Replies[0]
}

// readOn executes one command that only reads; now is the node's clock.
func readOn(ctx context.Context, g Group, slot uint16, spec *command.Spec, args [][]byte, now time.Time) (reply kv.Reply) {
	if err := g.ReadIndex(ctx, group.Linearizable); err != nil {
		return errorReply(err)
	}
	g.View(func(st *store.Store) {
		if !g.Serves(slot) {
			reply = kv.ErrUnserved.Reply()
			return
		}
		reply = spec.Exec(&command.Ctx{Store: st, Now: now.UnixMilli()}, args)
	})
	countRead(g, slot, &reply)
	return reply
}
