package heat

import (
	"cmp"
	"container/heap"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// KeyHeat is a hot key and its operations a second.
type KeyHeat struct {
	Key  string  `json:"key"`
	Rate float64 `json:"rate"`
	// Error is by how much Rate may be too high because the key took the place of
	// another one. What sampling adds to it is not in it.
	Error float64 `json:"error"`
}

// Samples a second between which the sampling rate is left as it is. Below, all
// operations are counted; above, the cost stays what it is at the upper bound,
// under 0.1% of a core.
const (
	fewSamples  = 1024
	manySamples = 4096
)

// TopKeys finds the hottest keys of a node with k counters: the Space-Saving
// algorithm (Metwally, Agrawal, El Abbadi, "Efficient computation of frequent
// and top-k elements in data streams", 2005, section 3) on a sample of the
// operations, with counts that decay. A key that gets more than 1/k of all
// operations is among the counters; with skewed traffic many more are right.
// All methods may be called concurrently.
type TopKeys struct {
	// every is the sampling rate: one operation in so many is counted, and counts
	// for so many. A power of two.
	every    atomic.Uint32
	halfLife time.Duration

	mu       sync.Mutex // guards what follows
	k        int
	counters counters
	byKey    map[string]*counter
	samples  int       // since the last Fold
	last     time.Time // of the last Fold; zero before the first
	seconds  float64   // the time that counts stand for, decayed as they are
	top      []KeyHeat // as of the last Fold, hottest first
}

// NewTopKeys returns a sketch of k counters, for the k/4 or so hottest keys,
// whose rates fall by half in halfLife, or in HalfLife if that is not positive.
func NewTopKeys(k int, halfLife time.Duration) *TopKeys {
	if halfLife <= 0 {
		halfLife = HalfLife
	}
	t := &TopKeys{k: max(k, 1), halfLife: halfLife, byKey: map[string]*counter{}}
	t.every.Store(1)
	return t
}

// Observe records one operation on key, which it copies if it keeps it. Most
// calls cost one random number when operations are many.
func (t *TopKeys) Observe(key []byte) {
	every := t.every.Load()
	if rand.Uint32()&(every-1) != 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.samples++
	t.count(key, float64(every))
}

// count adds weight to key's counter. A key without one takes over the smallest
// counter, and its count as a possible error.
func (t *TopKeys) count(key []byte, weight float64) {
	c := t.byKey[string(key)]
	switch {
	case c != nil:
	case len(t.counters) < t.k:
		c = &counter{key: string(key)}
		t.byKey[c.key] = c
		heap.Push(&t.counters, c)
	default:
		c = t.counters[0]
		delete(t.byKey, c.key)
		c.key, c.err = string(key), c.count
		t.byKey[c.key] = c
	}
	c.count += weight
	heap.Fix(&t.counters, c.at)
}

// Fold decays the counts and notes the hottest keys for Top. Call it about once
// a second. The first call starts the clock and drops what came before it; a call
// whose now is not later than the last one's does nothing.
func (t *TopKeys) Fold(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last.IsZero() {
		t.last, t.samples, t.counters = now, 0, nil
		clear(t.byKey)
		return
	}
	elapsed := now.Sub(t.last).Seconds()
	if elapsed <= 0 {
		return
	}
	t.last = now
	keep := t.decay(elapsed)
	for _, c := range t.counters { // all alike, so the heap's order stays
		c.count *= keep
		c.err *= keep
	}
	t.top = t.top[:0:0] // Top has handed out the old one
	for _, c := range t.counters {
		if rate := c.count / t.seconds; rate >= idle {
			t.top = append(t.top, KeyHeat{Key: c.key, Rate: rate, Error: c.err / t.seconds})
		}
	}
	slices.SortFunc(t.top, func(a, b KeyHeat) int {
		return cmp.Or(cmp.Compare(b.Rate, a.Rate), cmp.Compare(a.Key, b.Key))
	})
	t.adapt(float64(t.samples) / elapsed)
	t.samples = 0
}

// decay lets time pass and returns what remains of each count. Counts do not
// tell what is new in them, so new operations decay with the old ones, and the
// time they took as well. After a pause longer than a half-life both would be
// next to nothing and their quotient noise: then the time that is longer counts
// as idle.
func (t *TopKeys) decay(elapsed float64) float64 {
	halfLife := t.halfLife.Seconds()
	busy := min(elapsed, halfLife)
	keep := math.Exp2(-busy / halfLife)
	t.seconds = (t.seconds + busy) * keep
	left := math.Exp2(-(elapsed - busy) / halfLife)
	t.seconds = t.seconds*left + (1-left)*halfLife/math.Ln2
	return keep * left
}

// adapt brings the next second's samples near the bounds.
func (t *TopKeys) adapt(rate float64) {
	every := t.every.Load()
	for ; rate > manySamples && every < 1<<16; rate /= 2 {
		every *= 2
	}
	for ; rate < fewSamples && every > 1; rate *= 2 {
		every /= 2
	}
	t.every.Store(every)
}

// Top returns the n hottest keys as of the last Fold, hottest first. The caller
// must not change the result, which later calls do not change either.
func (t *TopKeys) Top(n int) []KeyHeat {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clip(t.top[:max(0, min(n, len(t.top)))])
}

type counter struct {
	key        string
	count, err float64
	at         int // in counters
}

// counters is a heap, the smallest count first.
type counters []*counter

var _ heap.Interface = (*counters)(nil)

func (h counters) Len() int           { return len(h) }
func (h counters) Less(i, j int) bool { return h[i].count < h[j].count }
func (h counters) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

func (h *counters) Push(x any) {
	c := x.(*counter)
	c.at = len(*h)
	*h = append(*h, c)
}

func (h *counters) Pop() any {
	last := len(*h) - 1
	c := (*h)[last]
	*h = (*h)[:last]
	return c
}
