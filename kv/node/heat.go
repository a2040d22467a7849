package node

import (
	"encoding/binary"
	"math"
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

// groupLoad returns what a group that this node leads serves, packed for a report.
func groupLoad(g *group.Group) []byte {
	g.Heat().Fold(time.Now())
	hot := g.Heat().Slots()
	slots, _ := g.State().Ownership()
	out := make([]byte, 0, slotLoadSize*len(hot))
	g.View(func(st *store.Store) {
		for slot := range shard.Each(slots) { // both are in order
			for len(hot) > 0 && hot[0].Slot < slot {
				hot = hot[1:]
			}
			keys, h := st.SlotLen(slot), heat.SlotHeat{}
			if len(hot) > 0 && hot[0].Slot == slot {
				h = hot[0]
			} else if keys == 0 {
				continue
			}
			out = binary.BigEndian.AppendUint16(out, slot)
			out = binary.BigEndian.AppendUint32(out, math.Float32bits(float32(h.Reads)))
			out = binary.BigEndian.AppendUint32(out, math.Float32bits(float32(h.Writes)))
			out = binary.BigEndian.AppendUint32(out, uint32(keys))
		}
	})
	return out
}

// unpackLoad is the reverse of groupLoad. What does not make sense is left out: it
// only steers the planner.
func unpackLoad(b []byte) []slotLoad {
	out := make([]slotLoad, 0, len(b)/slotLoadSize)
	for ; len(b) >= slotLoadSize; b = b[slotLoadSize:] {
		l := slotLoad{
			Slot:   binary.BigEndian.Uint16(b),
			Reads:  float64(math.Float32frombits(binary.BigEndian.Uint32(b[2:]))),
			Writes: float64(math.Float32frombits(binary.BigEndian.Uint32(b[6:]))),
			Keys:   uint64(binary.BigEndian.Uint32(b[10:])),
		}
		if l.Slot < shard.Slots && l.Reads >= 0 && l.Writes >= 0 && !math.IsInf(l.Reads+l.Writes, 1) {
			out = append(out, l)
		}
	}
	return out
}
