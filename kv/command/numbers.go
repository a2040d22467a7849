package command

import (
	"bytes"
	"math"
	"math/big"
	"strconv"
	"strings"

	"raftkv/kv"
)

func incr(c *Ctx, a [][]byte) kv.Reply { return c.add(a[1], 1) }
func decr(c *Ctx, a [][]byte) kv.Reply { return c.add(a[1], -1) }

func incrBy(c *Ctx, a [][]byte) kv.Reply {
	n, ok := parseInt(a[2])
	if !ok {
		return errNotInteger.Reply()
	}
	return c.add(a[1], n)
}

func decrBy(c *Ctx, a [][]byte) kv.Reply {
	n, ok := parseInt(a[2])
	if !ok {
		return errNotInteger.Reply()
	}
	if n == math.MinInt64 {
		return kv.ErrorReply("ERR decrement would overflow")
	}
	return c.add(a[1], -n)
}

func (c *Ctx) add(key []byte, delta int64) kv.Reply {
	it, found := c.Store.Get(key)
	var n int64
	if found {
		var ok bool
		if n, ok = parseInt(it.Value); !ok {
			return errNotInteger.Reply()
		}
	}
	if delta > 0 && n > math.MaxInt64-delta || delta < 0 && n < math.MinInt64-delta {
		return errOverflow.Reply()
	}
	n += delta
	c.Store.Set(key, strconv.AppendInt(nil, n, 10), it.ExpireAt)
	return kv.IntReply(n)
}

// longDouble is the precision of the long double that Redis computes with on
// x86-64, so that sums round alike.
const longDouble = 64

func incrByFloat(c *Ctx, a [][]byte) kv.Reply {
	it, found := c.Store.Get(a[1])
	sum := new(big.Float).SetPrec(longDouble)
	if found {
		n, ok := parseFloat(it.Value)
		if !ok {
			return errNotFloat.Reply()
		}
		sum.Set(n)
	}
	delta, ok := parseFloat(a[2])
	if !ok {
		return errNotFloat.Reply()
	}
	if sum.IsInf() || delta.IsInf() {
		return kv.ErrorReply("ERR increment would produce NaN or Infinity")
	}
	sum.Add(sum, delta)
	value := formatFloat(sum)
	c.Store.Set(a[1], value, it.ExpireAt)
	return kv.BulkReply(value)
}

// parseFloat reads a decimal number or infinity as strtold does, without
// spaces around it.
func parseFloat(b []byte) (*big.Float, bool) {
	s := strings.ToLower(string(b))
	switch strings.TrimLeft(s, "+-") {
	case "inf", "infinity":
		if len(s)-len(strings.TrimLeft(s, "+-")) > 1 {
			return nil, false
		}
		return new(big.Float).SetInf(s[0] == '-'), true
	}
	if len(s) == 0 || len(s) > 256 || strings.Trim(s, "0123456789+-.e") != "" || !strings.ContainsAny(s, "0123456789") {
		return nil, false
	}
	if _, exp, found := strings.Cut(s, "e"); found {
		// Beyond a long double's range; also keeps the work bounded.
		if n, err := strconv.Atoi(exp); err != nil || n > 4900 || n < -4900 {
			return nil, false
		}
	}
	f, _, err := big.ParseFloat(s, 10, longDouble, big.ToNearestEven)
	return f, err == nil
}

// formatFloat prints as Redis does for people: 17 decimals at most, no trailing
// zeros, no exponent.
func formatFloat(f *big.Float) []byte {
	b := f.Append(nil, 'f', 17)
	if bytes.IndexByte(b, '.') >= 0 {
		b = bytes.TrimRight(b, "0")
		b = bytes.TrimSuffix(b, []byte("."))
	}
	if string(b) == "-0" {
		return []byte("0")
	}
	return b
}
