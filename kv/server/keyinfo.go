package server

import (
	"strconv"
	"strings"

	"raftkv/kv"
	"raftkv/kv/command"
	"raftkv/kv/store"
	"raftkv/shard"
)

// onKey runs fn on the state that holds key, if this node may answer for it.
func (c *conn) onKey(key []byte, fn func(it store.Item, found bool) kv.Reply) kv.Reply {
	slot := shard.Slot(key)
	route := c.server.route(slot)
	if !route.Leader && (!c.readonly || route.Group == nil) {
		return c.server.redirect(route, slot).Reply()
	}
	look := func(g Group) (out kv.Reply) {
		err := c.view(g, func(x *command.Ctx) {
			if !g.Serves(slot) {
				out = kv.ErrUnserved.Reply()
				return
			}
			out = fn(x.Store.Get(key))
		})
		if err != "" {
			return err.Reply()
		}
		return out
	}
	if !route.Leader {
		return look(route.Group)
	}
	return c.server.untilServed(slot, look)
}

func object(c *conn, a [][]byte) kv.Reply {
	sub := strings.ToLower(string(a[1]))
	return c.onKey(a[2], func(it store.Item, found bool) kv.Reply {
		if !found {
			return kv.Reply{}
		}
		switch sub {
		case "encoding":
			return kv.BulkString(encoding(it.Value))
		case "refcount":
			return kv.IntReply(1)
		case "idletime":
			return kv.IntReply(0)
		case "freq":
			return kv.ErrorReply("ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.")
		}
		return unknownSub(a)
	})
}

// encoding names what Redis would call the representation of a string.
func encoding(value []byte) string {
	if n, err := strconv.ParseInt(string(value), 10, 64); err == nil && strconv.FormatInt(n, 10) == string(value) {
		return "int"
	}
	if len(value) <= 44 {
		return "embstr"
	}
	return "raw"
}

func memory(c *conn, a [][]byte) kv.Reply {
	switch strings.ToLower(string(a[1])) {
	case "usage":
		if len(a) != 3 && !(len(a) == 5 && is(a[3], "samples")) {
			return kv.ErrorReply("ERR syntax error")
		}
		return c.onKey(a[2], func(it store.Item, found bool) kv.Reply {
			if !found {
				return kv.Reply{}
			}
			return kv.IntReply(store.Cost(a[2], it))
		})
	case "purge":
		return kv.OK
	case "doctor":
		return kv.BulkString("Sam, I have no memory problems")
	case "stats":
		i := c.server.node.Info()
		return kv.Reply{Kind: kv.Map, Elems: []kv.Reply{
			kv.BulkString("total.allocated"), kv.IntReply(i.Memory),
			kv.BulkString("dataset.bytes"), kv.IntReply(i.StateMemory),
			kv.BulkString("keys.count"), kv.IntReply(i.Keys),
		}}
	case "malloc-stats":
		return kv.BulkString("not available")
	}
	return unknownSub(a)
}
