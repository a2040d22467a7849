package server

import (
	"strconv"

	"raftkv/kv"
	"raftkv/kv/command"
	"raftkv/kv/group"
	"raftkv/kv/resp"
	"raftkv/kv/store"
)

// Commands over the whole key space cover the groups that this node leads, or
// all its replicas on a READONLY connection: what a node of a Redis Cluster
// answers for.
func (c *conn) groups() []Group {
	if c.readonly {
		return c.server.node.Local()
	}
	return c.server.node.Led()
}

// elsewhere sends a client to some leader if this node leads nothing.
func (c *conn) elsewhere() kv.Reply {
	for _, n := range c.server.node.Topology().Nodes {
		if len(n.Slots) > 0 && n.Alive {
			slot := n.Slots[0].From()
			return c.server.redirect(c.server.node.Route(slot), slot).Reply()
		}
	}
	return kv.ErrNoLeader.Reply()
}

// view runs fn on a group's state at a safe point.
func (c *conn) view(g Group, fn func(*command.Ctx)) kv.ReplyError {
	if err := g.ReadIndex(c.server.ctx, group.Linearizable); err != nil {
		r := errorReply(err)
		return kv.ReplyError(r.Str)
	}
	g.View(func(st *store.Store) { fn(&command.Ctx{Store: st, Now: c.turn.start.UnixMilli()}) })
	return ""
}

func dbSize(c *conn, _ [][]byte) kv.Reply {
	n := 0
	for _, g := range c.groups() {
		if err := c.view(g, func(x *command.Ctx) { n += x.Store.Len() }); err != "" {
			return err.Reply()
		}
	}
	return kv.IntReply(int64(n))
}

func randomKey(c *conn, args [][]byte) kv.Reply {
	groups := c.groups()
	if len(groups) == 0 {
		return c.elsewhere()
	}
	var out kv.Reply
	for _, g := range groups {
		err := c.view(g, func(x *command.Ctx) { out = command.Lookup(args[0]).Exec(x, args) })
		if err != "" {
			return err.Reply()
		}
		if out.Kind != kv.Nil {
			break
		}
	}
	return out
}

// scanAll serves KEYS and SCAN. Groups own different slots and cursors are
// positions in the order of slots, so the groups are scanned side by side and
// what lies behind the nearest next cursor is left for the next call.
func scanAll(c *conn, args [][]byte) kv.Reply {
	groups := c.groups()
	if len(groups) == 0 {
		return c.elsewhere()
	}
	spec := command.Lookup(args[0])
	var pages []kv.Reply
	for _, g := range groups {
		err := c.view(g, func(x *command.Ctx) { pages = append(pages, spec.Exec(x, args)) })
		if err != "" {
			return err.Reply()
		}
		if last := pages[len(pages)-1]; last.Kind == kv.Error {
			return last
		}
	}
	if len(pages) == 1 {
		return pages[0]
	}
	if spec.Name == "keys" {
		all := kv.Reply{Kind: kv.Array}
		for _, p := range pages {
			all.Elems = append(all.Elems, p.Elems...)
		}
		return all
	}
	return mergeScans(pages)
}

func mergeScans(pages []kv.Reply) kv.Reply {
	next := uint64(0)
	for _, p := range pages {
		if n, _ := strconv.ParseUint(string(p.Elems[0].Str), 10, 64); n != 0 && (next == 0 || n < next) {
			next = n
		}
	}
	found := []kv.Reply{}
	for _, p := range pages {
		for _, key := range p.Elems[1].Elems {
			if next == 0 || store.Cursor(key.Str) < next {
				found = append(found, key)
			}
		}
	}
	return kv.ArrayReply(kv.BulkReply(strconv.AppendUint(nil, next, 10)), kv.Reply{Kind: kv.Array, Elems: found})
}

func flush(c *conn, args [][]byte) kv.Reply {
	groups := c.server.node.Led()
	if len(groups) == 0 {
		return c.elsewhere()
	}
	raw := resp.AppendCommand(nil, args...)
	proposals := make([]*group.Proposal, len(groups))
	for i, g := range groups {
		proposals[i] = group.NewProposal()
		proposals[i].Add(raw)
		g.Propose(proposals[i])
	}
	out := kv.OK
	for _, p := range proposals {
		p.Wait()
		if p.Replies[0].Kind == kv.Error {
			out = p.Replies[0]
		}
	}
	return out
}

// wait answers how many other replicas have every acknowledged write: those of
// a quorum, by construction.
func wait(c *conn, args [][]byte) kv.Reply {
	if _, err := strconv.ParseInt(string(args[1]), 10, 64); err != nil {
		return kv.ErrorReply("ERR value is not an integer or out of range")
	}
	switch timeout, err := strconv.ParseInt(string(args[2]), 10, 64); {
	case err != nil:
		return kv.ErrorReply("ERR timeout is not an integer or out of range")
	case timeout < 0:
		return kv.ErrorReply("ERR timeout is negative")
	}
	n := -1
	for _, g := range c.server.node.Led() {
		if others := g.Quorum() - 1; n < 0 || others < n {
			n = others
		}
	}
	return kv.IntReply(int64(max(n, 0)))
}
