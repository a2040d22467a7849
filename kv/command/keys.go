package command

import (
	"bytes"
	"math"
	"math/rand/v2"
	"strconv"

	"raftkv/kv"
	"raftkv/kv/store"
)

func del(c *Ctx, a [][]byte) kv.Reply {
	n := 0
	for _, key := range a[1:] {
		if c.Store.Delete(key) {
			n++
		}
	}
	return kv.IntReply(int64(n))
}

func exists(c *Ctx, a [][]byte) kv.Reply {
	n := 0
	for _, key := range a[1:] {
		if _, found := c.Store.Get(key); found {
			n++
		}
	}
	return kv.IntReply(int64(n))
}

func typeOf(c *Ctx, a [][]byte) kv.Reply {
	if _, found := c.Store.Get(a[1]); !found {
		return kv.SimpleReply("none")
	}
	return kv.SimpleReply("string")
}

func rename(c *Ctx, a [][]byte) kv.Reply {
	it, found := c.Store.Get(a[1])
	if !found {
		return errNoSuchKey.Reply()
	}
	if !bytes.Equal(a[1], a[2]) {
		c.Store.Set(a[2], it.Value, it.ExpireAt)
		c.Store.Delete(a[1])
	}
	return kv.OK
}

func renameNX(c *Ctx, a [][]byte) kv.Reply {
	if _, found := c.Store.Get(a[1]); !found {
		return errNoSuchKey.Reply()
	}
	if _, taken := c.Store.Get(a[2]); taken {
		return kv.IntReply(0)
	}
	rename(c, a)
	return kv.IntReply(1)
}

func copyKey(c *Ctx, a [][]byte) kv.Reply {
	replace := false
	for i := 3; i < len(a); i++ {
		switch {
		case isOption(a[i], "replace"):
			replace = true
		case isOption(a[i], "db") && i+1 < len(a):
			i++
			n, ok := parseInt(a[i])
			if !ok {
				return errNotInteger.Reply()
			}
			if n < math.MinInt32 || n > math.MaxInt32 {
				return kv.ErrorReply("ERR value is out of range, value must between -2147483648 and 2147483647")
			}
			if n != 0 {
				return kv.ErrorReply("ERR DB index is out of range")
			}
		default:
			return errSyntax.Reply()
		}
	}
	if bytes.Equal(a[1], a[2]) {
		return kv.ErrorReply("ERR source and destination objects are the same")
	}
	it, found := c.Store.Get(a[1])
	if !found {
		return kv.IntReply(0)
	}
	if _, taken := c.Store.Get(a[2]); taken && !replace {
		return kv.IntReply(0)
	}
	c.Store.Set(a[2], it.Value, it.ExpireAt)
	return kv.IntReply(1)
}

func dbSize(c *Ctx, _ [][]byte) kv.Reply { return kv.IntReply(int64(c.Store.Len())) }

func flush(c *Ctx, a [][]byte) kv.Reply {
	if len(a) > 2 || len(a) == 2 && !isOption(a[1], "sync") && !isOption(a[1], "async") {
		return errSyntax.Reply()
	}
	c.Store.Clear()
	return kv.OK
}

func randomKey(c *Ctx, _ [][]byte) kv.Reply {
	key, found := c.Store.Random(rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())))
	if !found {
		return kv.Reply{}
	}
	return kv.BulkReply(key)
}

// scanPage is how many keys KEYS looks at between its steps.
const scanPage = 1024

func keys(c *Ctx, a [][]byte) kv.Reply {
	out := kv.Reply{Kind: kv.Array}
	for cursor := uint64(0); ; {
		cursor = c.Store.Scan(cursor, scanPage, func(key []byte, _ store.Item) {
			if Match(a[1], key) {
				out.Elems = append(out.Elems, kv.BulkReply(key))
			}
		})
		if cursor == 0 {
			return out
		}
	}
}

func scan(c *Ctx, a [][]byte) kv.Reply {
	cursor, err := strconv.ParseUint(string(a[1]), 10, 64)
	if err != nil {
		return kv.ErrorReply("ERR invalid cursor")
	}
	count, pattern, wanted := int64(10), []byte(nil), true
	for i := 2; i < len(a); i += 2 {
		if i+1 >= len(a) {
			return errSyntax.Reply()
		}
		switch {
		case isOption(a[i], "count"):
			n, ok := parseInt(a[i+1])
			if !ok {
				return errNotInteger.Reply()
			}
			if n < 1 {
				return errSyntax.Reply()
			}
			count = n
		case isOption(a[i], "match"):
			pattern = a[i+1]
		case isOption(a[i], "type"):
			wanted = isOption(a[i+1], "string")
		default:
			return errSyntax.Reply()
		}
	}
	found := []kv.Reply{}
	next := c.Store.Scan(cursor, int(min(count, 1<<20)), func(key []byte, _ store.Item) {
		if wanted && (pattern == nil || Match(pattern, key)) {
			found = append(found, kv.BulkReply(key))
		}
	})
	return kv.ArrayReply(kv.BulkReply(strconv.AppendUint(nil, next, 10)), kv.Reply{Kind: kv.Array, Elems: found})
}
