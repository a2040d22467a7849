package command

import (
	"bytes"
	"errors"
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

// The long double that Redis computes with on x86-64, so that sums round and
// overflow alike: bits of precision, and exponents of two.
const (
	longDouble    = 64
	longDoubleMax = 16384
	longDoubleMin = -16445 // below, a number rounds to zero
)

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
		return errNotFinite.Reply()
	}
	if sum.Add(sum, delta); sum.MantExp(nil) > longDoubleMax {
		return errNotFinite.Reply()
	}
	value := formatFloat(sum)
	c.Store.Set(a[1], value, it.ExpireAt)
	return kv.BulkReply(value)
}

// Bounds of what parseFloat looks at: Redis's buffer, and exponents behind
// which no mantissa of that length brings a number back into range.
const (
	maxFloatText = 5*1024 - 1
	maxExponent  = 40_000
)

// parseFloat reads a decimal or hexadecimal number or infinity as strtold does,
// without spaces around it.
func parseFloat(b []byte) (*big.Float, bool) {
	if len(b) > maxFloatText {
		return nil, false
	}
	s := strings.ToLower(string(b))
	unsigned := strings.TrimLeft(s, "+-")
	if unsigned == "inf" || unsigned == "infinity" {
		return new(big.Float).SetInf(s[0] == '-'), len(s)-len(unsigned) <= 1
	}
	base, letters, mark := 10, "0123456789.+-e", "e"
	if strings.HasPrefix(unsigned, "0x") {
		base, letters, mark = 0, "0123456789.+-xabcdefp", "p" // base 0 takes the prefix
	}
	if strings.Trim(s, letters) != "" {
		return nil, false
	}
	mantissa, exponent, found := strings.Cut(s, mark)
	if found {
		n, err := strconv.Atoi(exponent)
		if errors.Is(err, strconv.ErrSyntax) {
			return nil, false
		}
		if err != nil || n > maxExponent || n < -maxExponent {
			f, _, err := big.ParseFloat(mantissa, base, longDouble, big.ToNearestEven)
			return f, err == nil && f.Sign() == 0
		}
	}
	f, _, err := big.ParseFloat(s, base, longDouble, big.ToNearestEven)
	if err != nil {
		return nil, false
	}
	exp := f.MantExp(nil)
	return f, f.Sign() == 0 || longDoubleMin <= exp && exp <= longDoubleMax
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
