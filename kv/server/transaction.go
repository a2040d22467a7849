package server

import (
	"bytes"
	"slices"

	"raftkv/kv"
	"raftkv/kv/command"
	"raftkv/kv/group"
	"raftkv/kv/store"
	"raftkv/shard"
)

// transaction is a connection's state between MULTI and EXEC, and the keys it
// watches.
type transaction struct {
	active  bool
	broken  bool // a command could not be queued: EXEC refuses
	queue   []queued
	bytes   int
	watches []command.Watch
}

type queued struct {
	spec *command.Spec
	args [][]byte
}

// controlsTransaction tells which commands are executed inside of MULTI rather
// than queued.
func controlsTransaction(spec *command.Spec) bool {
	switch spec.Name {
	case "exec", "discard", "multi", "watch", "quit", "reset":
		return true
	}
	return false
}

// enqueue keeps a command for EXEC. All its checks happen now, so that EXEC can
// refuse the whole. False: see inline.
func (c *conn) enqueue(spec *command.Spec, args [][]byte) bool {
	if c.inline { // its slot may be moving, and transactions are not what must be quickest
		return false
	}
	c.turn.settle()
	if !c.transactional(spec) {
		return c.refuse(spec, kv.ReplyError("ERR '"+spec.Name+"' cannot be used in a transaction"))
	}
	slot, err := c.admit(spec, args)
	if err == "" && spec.FirstKey > 0 {
		route := c.server.route(slot)
		if !route.Leader {
			err = c.server.redirect(route, slot)
		}
	}
	size := 0
	copied := make([][]byte, len(args))
	for i, a := range args {
		size += len(a) + 16
		copied[i] = bytes.Clone(a)
	}
	if err == "" && c.multi.bytes+size > maxCommandBytes(c.server.opts.MaxValue) {
		err = "ERR the transaction is too large"
	}
	if err != "" {
		return c.refuse(spec, err)
	}
	c.multi.bytes += size
	c.multi.queue = append(c.multi.queue, queued{spec, copied})
	c.reply(kv.SimpleReply("QUEUED"))
	return true
}

// transactional tells whether EXEC can run a command: those on keys, in the
// log, and some that only concern the connection.
func (c *conn) transactional(spec *command.Spec) bool {
	if spec.Exec != nil {
		return spec.FirstKey > 0
	}
	switch spec.Name {
	case "ping", "echo", "time", "select", "info", "cluster", "client", "command", "config", "readonly", "readwrite", "unwatch":
		return true
	}
	return false
}

func multi(c *conn, _ [][]byte) kv.Reply {
	if c.multi.active {
		return kv.ErrorReply("ERR MULTI calls can not be nested")
	}
	c.multi.active = true
	return kv.OK
}

func discard(c *conn, _ [][]byte) kv.Reply {
	if !c.multi.active {
		return kv.ErrorReply("ERR DISCARD without MULTI")
	}
	c.multi = transaction{}
	return kv.OK
}

func unwatch(c *conn, _ [][]byte) kv.Reply {
	c.multi.watches = nil
	return kv.OK
}

// watch reads the keys' versions, linearizably. EXEC compares them when it is
// applied.
func watch(c *conn, args [][]byte) kv.Reply {
	if c.multi.active {
		return kv.ErrorReply("ERR WATCH inside MULTI is not allowed")
	}
	spec := command.Lookup(args[0])
	slot, _, err := spec.Slot(args)
	if err != "" {
		return err.Reply()
	}
	return c.server.untilServed(slot, func(g Group) kv.Reply { return c.watchOn(g, slot, args[1:]) })
}

// watchOn is watch with the group that serves the keys' slot.
func (c *conn) watchOn(g Group, slot uint16, keys [][]byte) kv.Reply {
	if err := g.ReadIndex(c.server.ctx, group.Linearizable); err != nil {
		return errorReply(err)
	}
	served := false
	g.View(func(st *store.Store) {
		if served = g.Serves(slot); !served {
			return
		}
		for _, key := range keys {
			seen := func(w command.Watch) bool { return bytes.Equal(w.Key, key) }
			if !slices.ContainsFunc(c.multi.watches, seen) { // the first look counts
				c.multi.watches = append(c.multi.watches, command.Watch{Key: bytes.Clone(key), Version: st.Version(key)})
			}
		}
	})
	if !served {
		return kv.ErrUnserved.Reply()
	}
	return kv.OK
}

func exec(c *conn, _ [][]byte) kv.Reply {
	if !c.multi.active {
		return kv.ErrorReply("ERR EXEC without MULTI")
	}
	t := c.multi
	c.multi = transaction{}
	if t.broken {
		return kv.ErrorReply("EXECABORT Transaction discarded because of previous errors.")
	}
	replies, err := c.executeInLog(&t)
	if err != nil {
		return *err
	}
	out := kv.Reply{Kind: kv.Array, Elems: make([]kv.Reply, 0, len(t.queue))}
	for _, q := range t.queue {
		if q.spec.Exec == nil && q.spec.Name != onceName {
			out.Elems = append(out.Elems, c.answer(q.spec, q.args))
			continue
		}
		out.Elems = append(out.Elems, replies[0])
		replies = replies[1:]
	}
	return out
}

// executeInLog runs the transaction's commands on data as one entry of the log.
func (c *conn) executeInLog(t *transaction) ([]kv.Reply, *kv.Reply) {
	fail := func(e kv.ReplyError) ([]kv.Reply, *kv.Reply) {
		r := e.Reply()
		return nil, &r
	}
	var commands [][][]byte
	var onData []queued
	slot, any := uint16(0), false
	same := func(s uint16) bool {
		if any && s != slot {
			return false
		}
		slot, any = s, true
		return true
	}
	for _, w := range t.watches {
		if !same(shard.Slot(w.Key)) {
			return fail(kv.ErrCrossSlot)
		}
	}
	for _, q := range t.queue {
		if q.spec.FirstKey == 0 {
			continue
		}
		if !same(shard.Slot(q.args[q.spec.FirstKey])) {
			return fail(kv.ErrCrossSlot)
		}
		commands, onData = append(commands, q.args), append(onData, q)
	}
	if !any {
		return nil, nil
	}
	raw := command.AppendExec(nil, t.watches, commands)
	r := c.server.untilServed(slot, func(g Group) kv.Reply {
		r := logOn(g, raw) // versions differ between groups: a watched slot that moved aborts
		countExec(g, slot, onData, &r)
		return r
	})
	if r.Kind == kv.Array && len(r.Elems) == len(commands) {
		return r.Elems, nil
	}
	return nil, &r
}
