package node

import (
	"encoding/binary"
	"math"
	"slices"
	"time"

	"raftkv/kv/group"
	"raftkv/kv/store"
	"raftkv/shard"
	"raftkv/shard/heat"
)

// slotLoad is what a group's leader tells of one slot.
type slotLoad struct {
	Slot   uint16
	Reads  float64 // operations a second
	Writes float64
	Keys   uint64
}

// slotLoadSize is that of a slot in a report: the slot, two rates as 32-bit
// floats, the number of keys as 32 bits, big endian. JSON of 16384 slots a second
// would cost more than it tells.
const slotLoadSize = 14

// loadGauge packs what groups serve into reports. What it works in is used again for
// the next report: megabytes that are new each second cost more than what is in them.
// It is for one goroutine.
type loadGauge struct {
	packed        []byte // of all groups of a report
	keys          [shard.Slots]int32
	reads, writes [shard.Slots]float32
}

// begin begins a report; those of before are not valid any more.
func (l *loadGauge) begin() { l.packed = l.packed[:0] }

// group returns what a group that this node leads serves, packed for a report, and
// whether that says anything yet. A new leader's counter begins at nothing; until it
// knows better the word of the last leader shall stand, or slots would be moved
// because a leader has changed.
func (l *loadGauge) group(g *group.Group) (packed []byte, known bool) {
	g.Heat().Fold(time.Now())
	if g.Heat().Span() < reportInterval {
		return nil, false
	}
	clear(l.reads[:])
	clear(l.writes[:])
	g.Heat().Each(func(h heat.SlotHeat) {
		l.reads[h.Slot], l.writes[h.Slot] = float32(h.Reads), float32(h.Writes)
	})
	g.View(func(st *store.Store) { st.SlotLens(&l.keys) }) // entries wait for it
	slots, _ := g.State().Ownership()
	from := len(l.packed)
	for slot := range shard.Each(slots) {
		reads, writes, keys := l.reads[slot], l.writes[slot], l.keys[slot]
		if reads+writes == 0 && keys == 0 {
			continue
		}
		l.packed = binary.BigEndian.AppendUint16(l.packed, slot)
		l.packed = binary.BigEndian.AppendUint32(l.packed, math.Float32bits(reads))
		l.packed = binary.BigEndian.AppendUint32(l.packed, math.Float32bits(writes))
		l.packed = binary.BigEndian.AppendUint32(l.packed, uint32(keys))
	}
	return l.packed[from:len(l.packed):len(l.packed)], true
}

// unpackLoad is the reverse of group, into the memory of to. What does not make sense is
// left out: it only steers the planner.
func unpackLoad(to []slotLoad, b []byte) []slotLoad {
	to = slices.Grow(to[:0], len(b)/slotLoadSize)
	for ; len(b) >= slotLoadSize; b = b[slotLoadSize:] {
		l := slotLoad{
			Slot:   binary.BigEndian.Uint16(b),
			Reads:  float64(math.Float32frombits(binary.BigEndian.Uint32(b[2:]))),
			Writes: float64(math.Float32frombits(binary.BigEndian.Uint32(b[6:]))),
			Keys:   uint64(binary.BigEndian.Uint32(b[10:])),
		}
		if l.Slot < shard.Slots && l.Reads >= 0 && l.Writes >= 0 && !math.IsInf(l.Reads+l.Writes, 1) {
			to = append(to, l)
		}
	}
	return to
}
