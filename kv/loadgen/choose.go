package loadgen

import (
	"math"
	"math/bits"
	"math/rand/v2"
)

// maxKeys is what keys' 12 digits can name.
const maxKeys = 1_000_000_000_000

// chooser picks operations for one client.
type chooser struct {
	rng    *rand.Rand
	keys   int64
	zipf   *zipf  // nil: uniform
	shift  int64  // below keys
	reads  uint64 // of 2^32
	prefix []byte
	values []byte // random bytes that values are cut from
	size   int
}

func newChooser(c *Config, skew *zipf, values []byte, client int) *chooser {
	return &chooser{
		rng:    rand.New(rand.NewPCG(c.Seed, uint64(client)+1)),
		keys:   c.Keys,
		zipf:   skew,
		shift:  c.Shift % c.Keys,
		reads:  uint64(c.Reads * (1 << 32)),
		prefix: []byte(c.Prefix),
		values: values,
		size:   c.ValueSize,
	}
}

// randomValues makes the bytes that values are cut from: incompressible, and
// long enough that neighbours differ.
func randomValues(c *Config) []byte {
	rng := rand.NewChaCha8([32]byte{byte(c.Seed), byte(c.Seed >> 8)})
	b := make([]byte, c.ValueSize+64<<10)
	rng.Read(b)
	return b
}

// next fills op.
func (c *chooser) next(op *Op) {
	c.set(op, c.index())
	if c.rng.Uint64()>>32 < c.reads {
		op.Kind, op.Value = Read, nil
	}
}

// set makes op a write of the i-th key.
func (c *chooser) set(op *Op, i int64) {
	key := append(op.Key[:0], c.prefix...)
	n := len(key)
	key = append(key, "000000000000"...)
	for at := n + 11; i > 0; at-- {
		key[at] = byte('0' + i%10)
		i /= 10
	}
	at := c.rng.IntN(len(c.values) - c.size)
	*op = Op{Kind: Write, Key: key, Value: c.values[at : at+c.size]}
}

func (c *chooser) index() int64 {
	if c.zipf == nil {
		return c.rng.Int64N(c.keys)
	}
	// The hottest keys lie all over the key space: ranks are spread by a
	// multiplication that reaches every key (the factor is a prime above
	// maxKeys, so it shares no divisor with the number of keys).
	const spread = 1_000_000_000_039
	hi, lo := bits.Mul64(uint64(c.zipf.rank(c.rng)-1), spread)
	return (int64(bits.Rem64(hi, lo, uint64(c.keys))) + c.shift) % c.keys
}

// zipf draws ranks 1..n with probability in proportion to 1/rank^s, for any s
// above 0, in constant time and memory: rejection-inversion (W. Hörmann,
// G. Derflinger, "Rejection-inversion to generate variates from monotone
// discrete distributions", 1996).
type zipf struct {
	n              float64
	s              float64
	first, last, q float64
}

func newZipf(n int64, s float64) *zipf {
	z := &zipf{n: float64(n), s: s}
	z.first = z.integral(1.5) - 1
	z.last = z.integral(z.n + 0.5)
	z.q = 2 - z.inverse(z.integral(2.5)-math.Pow(2, -s))
	return z
}

func (z *zipf) rank(rng *rand.Rand) int64 {
	for {
		u := z.last + rng.Float64()*(z.first-z.last)
		x := z.inverse(u)
		k := min(max(math.Floor(x+0.5), 1), z.n)
		if k-x <= z.q || u >= z.integral(k+0.5)-math.Pow(k, -z.s) {
			return int64(k)
		}
	}
}

// integral is the antiderivative of x^-s, and inverse its inverse.
func (z *zipf) integral(x float64) float64 {
	log := math.Log(x)
	return expRatio((1-z.s)*log) * log
}

func (z *zipf) inverse(x float64) float64 {
	t := max(x*(1-z.s), -1)
	return math.Exp(logRatio(t) * x)
}

// expRatio is (e^x-1)/x and logRatio ln(1+x)/x, both also near 0, where s is 1.
func expRatio(x float64) float64 {
	if math.Abs(x) < 1e-8 {
		return 1 + x/2
	}
	return math.Expm1(x) / x
}

func logRatio(x float64) float64 {
	if math.Abs(x) < 1e-8 {
		return 1 - x/2
	}
	return math.Log1p(x) / x
}
