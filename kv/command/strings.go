package command

import (
	"bytes"

	"raftkv/kv"
)

func get(c *Ctx, a [][]byte) kv.Reply {
	it, ok := c.Store.Get(a[1])
	if !ok {
		return kv.Reply{}
	}
	return kv.BulkReply(it.Value)
}

// setOptions are what SET takes behind key and value.
type setOptions struct {
	nx, xx, get, keepTTL bool
	ifEqual              []byte // nil: not given
	expireAt             int64
}

func (c *Ctx) parseSet(a [][]byte) (o setOptions, err kv.ReplyError) {
	expires := false
	var unit expiryUnit
	var when []byte
	for i := 3; i < len(a); i++ {
		u, isExpiry := expiryOption(a[i])
		more := i+1 < len(a)
		switch {
		case isOption(a[i], "nx") && !o.xx && o.ifEqual == nil:
			o.nx = true
		case isOption(a[i], "xx") && !o.nx && o.ifEqual == nil:
			o.xx = true
		case isOption(a[i], "ifeq") && more && !o.nx && !o.xx && o.ifEqual == nil:
			i++
			o.ifEqual = a[i]
		case isOption(a[i], "get"):
			o.get = true
		case isOption(a[i], "keepttl") && !expires:
			o.keepTTL = true
		case isExpiry && more && (!expires || u == unit) && !o.keepTTL: // the last one counts
			i++
			expires, unit, when = true, u, a[i]
		default:
			return o, errSyntax
		}
	}
	if expires {
		o.expireAt, err = c.deadline(when, unit, true, "set")
	}
	return o, err
}

func set(c *Ctx, a [][]byte) kv.Reply {
	if len(a) == 3 {
		c.Store.Set(a[1], a[2], 0)
		return kv.OK
	}
	o, err := c.parseSet(a)
	if err != "" {
		return err.Reply()
	}
	old, found := c.Store.Get(a[1])
	before := kv.Reply{}
	if found {
		before = kv.BulkReply(old.Value)
	}
	if o.nx && found || o.xx && !found || o.ifEqual != nil && !(found && bytes.Equal(old.Value, o.ifEqual)) {
		if o.get {
			return before
		}
		return kv.Reply{}
	}
	at := o.expireAt
	if o.keepTTL {
		at = old.ExpireAt
	}
	c.Store.Set(a[1], a[2], at)
	if o.get {
		return before
	}
	return kv.OK
}

func setNX(c *Ctx, a [][]byte) kv.Reply {
	if _, found := c.Store.Get(a[1]); found {
		return kv.IntReply(0)
	}
	c.Store.Set(a[1], a[2], 0)
	return kv.IntReply(1)
}

func setEx(c *Ctx, a [][]byte) kv.Reply  { return c.setWithTTL(a, expiryUnit{seconds: true}, "setex") }
func psetEx(c *Ctx, a [][]byte) kv.Reply { return c.setWithTTL(a, expiryUnit{}, "psetex") }

func (c *Ctx) setWithTTL(a [][]byte, unit expiryUnit, name string) kv.Reply {
	at, err := c.deadline(a[2], unit, true, name)
	if err != "" {
		return err.Reply()
	}
	c.Store.Set(a[1], a[3], at)
	return kv.OK
}

func getSet(c *Ctx, a [][]byte) kv.Reply {
	before := get(c, a)
	c.Store.Set(a[1], a[2], 0)
	return before
}

func getDel(c *Ctx, a [][]byte) kv.Reply {
	before := get(c, a)
	c.Store.Delete(a[1])
	return before
}

func delIfEqual(c *Ctx, a [][]byte) kv.Reply {
	it, found := c.Store.Get(a[1])
	if !found || !bytes.Equal(it.Value, a[2]) {
		return kv.IntReply(0)
	}
	c.Store.Delete(a[1])
	return kv.IntReply(1)
}

func getEx(c *Ctx, a [][]byte) kv.Reply {
	persist, expires := false, false
	var unit expiryUnit
	var when []byte
	for i := 2; i < len(a); i++ {
		u, isExpiry := expiryOption(a[i])
		switch {
		case isOption(a[i], "persist") && !expires:
			persist = true
		case isExpiry && i+1 < len(a) && (!expires || u == unit) && !persist:
			i++
			expires, unit, when = true, u, a[i]
		default:
			return errSyntax.Reply()
		}
	}
	it, found := c.Store.Get(a[1])
	if !found {
		return kv.Reply{}
	}
	at := it.ExpireAt
	switch {
	case persist:
		at = 0
	case expires:
		var err kv.ReplyError
		if at, err = c.deadline(when, unit, true, "getex"); err != "" {
			return err.Reply()
		}
	}
	if at != it.ExpireAt {
		c.Store.Set(a[1], it.Value, at)
	}
	return kv.BulkReply(it.Value)
}

func mget(c *Ctx, a [][]byte) kv.Reply {
	out := make([]kv.Reply, 0, len(a)-1)
	for i := range a[1:] {
		out = append(out, get(c, a[i:]))
	}
	return kv.Reply{Kind: kv.Array, Elems: out}
}

func mset(c *Ctx, a [][]byte) kv.Reply {
	if len(a)%2 == 0 {
		return WrongArity("mset").Reply()
	}
	for i := 1; i < len(a); i += 2 {
		c.Store.Set(a[i], a[i+1], 0)
	}
	return kv.OK
}

func msetNX(c *Ctx, a [][]byte) kv.Reply {
	if len(a)%2 == 0 {
		return WrongArity("msetnx").Reply()
	}
	for i := 1; i < len(a); i += 2 {
		if _, found := c.Store.Get(a[i]); found {
			return kv.IntReply(0)
		}
	}
	mset(c, a)
	return kv.IntReply(1)
}

func appendValue(c *Ctx, a [][]byte) kv.Reply {
	it, _ := c.Store.Get(a[1])
	if len(it.Value)+len(a[2]) > c.MaxValue {
		return errTooLong.Reply()
	}
	value := append(append(make([]byte, 0, len(it.Value)+len(a[2])), it.Value...), a[2]...)
	c.Store.Set(a[1], value, it.ExpireAt)
	return kv.IntReply(int64(len(value)))
}

func strLen(c *Ctx, a [][]byte) kv.Reply {
	it, _ := c.Store.Get(a[1])
	return kv.IntReply(int64(len(it.Value)))
}

func getRange(c *Ctx, a [][]byte) kv.Reply {
	start, ok1 := parseInt(a[2])
	end, ok2 := parseInt(a[3])
	if !ok1 || !ok2 {
		return errNotInteger.Reply()
	}
	it, _ := c.Store.Get(a[1])
	n := int64(len(it.Value))
	if start < 0 && end < 0 && start > end || n == 0 {
		return kv.BulkReply([]byte{})
	}
	if start < 0 {
		start = max(start+n, 0)
	}
	if end < 0 {
		end = max(end+n, 0)
	}
	end = min(end, n-1)
	if start > end {
		return kv.BulkReply([]byte{})
	}
	return kv.BulkReply(it.Value[start : end+1])
}

func setRange(c *Ctx, a [][]byte) kv.Reply {
	offset, ok := parseInt(a[2])
	if !ok {
		return errNotInteger.Reply()
	}
	if offset < 0 {
		return kv.ErrorReply("ERR offset is out of range")
	}
	it, _ := c.Store.Get(a[1])
	if len(a[3]) == 0 {
		return kv.IntReply(int64(len(it.Value)))
	}
	if offset > int64(c.MaxValue) || int(offset)+len(a[3]) > c.MaxValue {
		return errTooLong.Reply()
	}
	value := make([]byte, max(len(it.Value), int(offset)+len(a[3])))
	copy(value, it.Value)
	copy(value[offset:], a[3])
	c.Store.Set(a[1], value, it.ExpireAt)
	return kv.IntReply(int64(len(value)))
}
