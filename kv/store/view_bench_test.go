package store

import (
	"fmt"
	"testing"

	"raftkv/shard"
)

// BenchmarkAscend reads a state in the order of a snapshot, which is another than that
// in which it was written: what is read is hardly ever in the processor's cache.
func BenchmarkAscend(b *testing.B) {
	const keys = 2_000_000
	s, value := New(), make([]byte, 100)
	for i := range keys {
		s.Set(fmt.Appendf(nil, "key:%012d", i), value, 0)
	}
	v, bytes := s.Snapshot(), 0
	for b.Loop() {
		for slot := range uint16(shard.Slots) {
			v.AscendSlot(slot, func(key []byte, it Item) bool {
				bytes += len(key) + int(key[0]) + int(it.Value[0])
				return true
			})
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/keys, "ns/key")
}
