// Package heat counts what a group's leader serves: decayed rates by slot, and
// the hottest keys. It is pure but for random numbers: it reads no clock, does
// no I/O and starts no goroutine. The caller says what time it is.
package heat

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"raftkv/shard"
)

// HalfLife is the default half-life of all rates: long enough to smooth bursts,
// short enough to see that the hot set has jumped.
const HalfLife = 5 * time.Second

// SlotHeat is what a slot serves, in operations and bytes a second.
type SlotHeat struct {
	Slot       uint16  `json:"slot"`
	Reads      float64 `json:"reads"`
	Writes     float64 `json:"writes"`
	ReadBytes  float64 `json:"read_bytes"`  // sent to clients
	WriteBytes float64 `json:"write_bytes"` // taken from clients
}

// Ops returns the operations a second, reads and writes alike.
func (h SlotHeat) Ops() float64 { return h.Reads + h.Writes }

// Slots are counted in pages, which are made when one of their slots is first
// used, so a group that owns few slots costs little memory and a short Fold.
const (
	pageSlots = 64
	pages     = shard.Slots / pageSlots
)

// A tally packs the operations since the last Fold (high 24 bits) and their
// bytes (low 40 bits) into one word, so that recording is one atomic addition.
// Between two Folds it holds 16 million operations and 1 TiB of a slot, which
// is far more than a node does in a second.
const (
	tallyBytes = 40
	oneOp      = 1 << tallyBytes
)

type page struct {
	reads  [pageSlots]atomic.Uint64
	writes [pageSlots]atomic.Uint64
	rates  [pageSlots]SlotHeat // guarded by Counter.mu; not divided by Counter.weight
	// Bytes since the last Reset, up to the last Fold; guarded by Counter.mu.
	in, out [pageSlots]int64
}

// Counter keeps decayed rates by slot. Read and Write may be called by any
// number of goroutines, beside all other methods, and do not block.
type Counter struct {
	pages    [pages]atomic.Pointer[page]
	halfLife time.Duration

	mu   sync.Mutex // guards what follows and the pages' rates
	last time.Time  // of the last Fold; zero before the first
	from time.Time  // since when the rates are counted: the last Reset or the first Fold
	// weight is the share of an endless past that has been seen: it grows to 1.
	// Rates are divided by it, so they are true from the first seconds on and do
	// not climb for some half-lives after a start.
	weight float64
}

// New returns a counter whose rates fall by half in halfLife, or in HalfLife if
// that is not positive.
func New(halfLife time.Duration) *Counter {
	if halfLife <= 0 {
		halfLife = HalfLife
	}
	return &Counter{halfLife: halfLife}
}

// Read records one read of slot that sent so many bytes to a client.
func (c *Counter) Read(slot uint16, bytes int) {
	c.page(slot).reads[slot%pageSlots].Add(oneOp + uint64(max(bytes, 0)))
}

// Write records one write to slot that took so many bytes from a client.
func (c *Counter) Write(slot uint16, bytes int) {
	c.page(slot).writes[slot%pageSlots].Add(oneOp + uint64(max(bytes, 0)))
}

func (c *Counter) page(slot uint16) *page {
	at := &c.pages[slot/pageSlots%pages]
	if p := at.Load(); p != nil {
		return p
	}
	at.CompareAndSwap(nil, new(page))
	return at.Load()
}

// Fold takes what was recorded since the last call into the rates. Call it
// about once a second: more often is noisier, and a tally overflows only after
// minutes. The first call starts the clock and drops what came before it; a call
// whose now is not later than the last one's does nothing.
func (c *Counter) Fold(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last.IsZero() {
		c.restart(now)
		return
	}
	elapsed := now.Sub(c.last)
	if elapsed <= 0 {
		return
	}
	c.last = now
	keep := math.Exp2(-elapsed.Seconds() / c.halfLife.Seconds())
	c.weight = c.weight*keep + (1 - keep)
	each := (1 - keep) / elapsed.Seconds()
	for i := range c.pages {
		if p := c.pages[i].Load(); p != nil {
			p.fold(keep, each, idle*c.weight)
		}
	}
}

// Reset forgets all rates, and takes now as the start. A replica calls it when
// it begins to lead, so that what it counted in an earlier term is not reported.
func (c *Counter) Reset(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.restart(now)
}

func (c *Counter) restart(now time.Time) {
	c.from, c.last, c.weight = now, now, 0
	for i := range c.pages {
		if p := c.pages[i].Load(); p != nil {
			p.fold(0, 0, 0)
			clear(p.in[:])
			clear(p.out[:])
		}
	}
}

// Span returns how long the time is that the rates are made from, up to the last
// Fold. Rates of a moment are nothing, or noise.
func (c *Counter) Span() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last.Sub(c.from)
}

// idle is the rate, in operations a second, below which a slot is taken to be
// idle. It would take minutes to decay to nothing.
const idle = 0.01

// fold makes each rate: rate*keep + tally*each. What falls below floor and has not
// been used is forgotten.
func (p *page) fold(keep, each, floor float64) {
	for i := range p.rates {
		r := &p.rates[i]
		if p.reads[i].Load() == 0 && p.writes[i].Load() == 0 && r.Ops() == 0 {
			continue
		}
		reads, writes := p.reads[i].Swap(0), p.writes[i].Swap(0)
		p.in[i] += int64(writes % oneOp)
		p.out[i] += int64(reads % oneOp)
		r.Reads = r.Reads*keep + float64(reads>>tallyBytes)*each
		r.ReadBytes = r.ReadBytes*keep + float64(reads%oneOp)*each
		r.Writes = r.Writes*keep + float64(writes>>tallyBytes)*each
		r.WriteBytes = r.WriteBytes*keep + float64(writes%oneOp)*each
		if r.Ops() < floor && reads == 0 && writes == 0 {
			*r = SlotHeat{}
		}
	}
}

// Each calls use for the slots that are not idle as of the last Fold, in order. use
// must not call the counter.
func (c *Counter) Each(use func(SlotHeat)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.weight == 0 {
		return
	}
	by := 1 / c.weight
	for i := range c.pages {
		p := c.pages[i].Load()
		if p == nil {
			continue
		}
		for j := range p.rates {
			r := &p.rates[j]
			if r.Ops() == 0 {
				continue
			}
			use(SlotHeat{
				Slot:  uint16(i*pageSlots + j),
				Reads: r.Reads * by, ReadBytes: r.ReadBytes * by,
				Writes: r.Writes * by, WriteBytes: r.WriteBytes * by,
			})
		}
	}
}

// Bytes returns how many bytes writes to a slot took from clients, and how many
// reads of it sent to them, since the last Reset or the first Fold. They do not decay.
func (c *Counter) Bytes(slot uint16) (in, out int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.pages[slot/pageSlots%pages].Load()
	if p == nil {
		return 0, 0
	}
	at := slot % pageSlots
	return p.in[at] + int64(p.writes[at].Load()%oneOp), p.out[at] + int64(p.reads[at].Load()%oneOp)
}

// Total returns the sum over all slots as of the last Fold. Its Slot is 0.
func (c *Counter) Total() SlotHeat {
	var sum SlotHeat
	c.Each(func(h SlotHeat) {
		sum.Reads += h.Reads
		sum.Writes += h.Writes
		sum.ReadBytes += h.ReadBytes
		sum.WriteBytes += h.WriteBytes
	})
	return sum
}
