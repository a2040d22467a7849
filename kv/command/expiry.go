package command

import (
	"raftkv/kv"
)

func expire(c *Ctx, a [][]byte) kv.Reply {
	return c.expire(a, expiryUnit{seconds: true}, "expire")
}

func pExpire(c *Ctx, a [][]byte) kv.Reply { return c.expire(a, expiryUnit{}, "pexpire") }

func expireAt(c *Ctx, a [][]byte) kv.Reply {
	return c.expire(a, expiryUnit{seconds: true, absolute: true}, "expireat")
}

func pExpireAt(c *Ctx, a [][]byte) kv.Reply {
	return c.expire(a, expiryUnit{absolute: true}, "pexpireat")
}

func (c *Ctx) expire(a [][]byte, unit expiryUnit, name string) kv.Reply {
	var nx, xx, gt, lt bool
	for _, option := range a[3:] {
		switch {
		case isOption(option, "nx"):
			nx = true
		case isOption(option, "xx"):
			xx = true
		case isOption(option, "gt"):
			gt = true
		case isOption(option, "lt"):
			lt = true
		default:
			return kv.ErrorReply("ERR Unsupported option " + string(option))
		}
	}
	if nx && (xx || gt || lt) {
		return kv.ErrorReply("ERR NX and XX, GT or LT options at the same time are not compatible")
	}
	if gt && lt {
		return kv.ErrorReply("ERR GT and LT options at the same time are not compatible")
	}
	at, err := c.deadline(a[2], unit, false, name)
	if err != "" {
		return err.Reply()
	}
	it, found := c.Store.Get(a[1])
	now := it.ExpireAt
	switch {
	case !found,
		nx && now != 0,
		xx && now == 0,
		gt && (now == 0 || at <= now), // no expiry counts as infinite
		lt && now != 0 && at >= now:
		return kv.IntReply(0)
	}
	c.Store.Set(a[1], it.Value, past(at))
	return kv.IntReply(1)
}

func persist(c *Ctx, a [][]byte) kv.Reply {
	it, found := c.Store.Get(a[1])
	if !found || it.ExpireAt == 0 {
		return kv.IntReply(0)
	}
	c.Store.Set(a[1], it.Value, 0)
	return kv.IntReply(1)
}

// Replies of the commands that tell times, for a key that is not there and for
// one that does not expire.
const (
	noKey    = -2
	noExpiry = -1
)

func ttl(c *Ctx, a [][]byte) kv.Reply {
	return c.tell(a[1], func(at int64) int64 { return (max(at-c.now(), 0) + 500) / 1000 })
}

func pTTL(c *Ctx, a [][]byte) kv.Reply {
	return c.tell(a[1], func(at int64) int64 { return max(at-c.now(), 0) })
}

func expireTime(c *Ctx, a [][]byte) kv.Reply {
	return c.tell(a[1], func(at int64) int64 { return (at + 500) / 1000 })
}

func pExpireTime(c *Ctx, a [][]byte) kv.Reply {
	return c.tell(a[1], func(at int64) int64 { return at })
}

func (c *Ctx) tell(key []byte, of func(at int64) int64) kv.Reply {
	it, found := c.Store.Get(key)
	switch {
	case !found:
		return kv.IntReply(noKey)
	case it.ExpireAt == 0:
		return kv.IntReply(noExpiry)
	}
	return kv.IntReply(of(it.ExpireAt))
}
