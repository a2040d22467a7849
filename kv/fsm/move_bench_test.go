package fsm

import (
	"strconv"
	"testing"

	"raftkv/shard/migrate"
)

// What one entry of a migration costs the group that applies it.
func BenchmarkMoveEntries(b *testing.B) {
	source := newMachine()
	for i := range 100_000 {
		source.apply(Commands, 1, cmd("SET", "{a}"+strconv.Itoa(i), string(make([]byte, 100))))
	}
	source.apply(Admin, 1, moveSteps["export"])
	view, _ := source.Export(7)
	var parts [][]byte
	if err := view.Parts(0, func(p migrate.Part) error {
		parts = append(parts, p.Bytes)
		return nil
	}); err != nil {
		b.Fatal(err)
	}
	b.Run("chunk", func(b *testing.B) {
		target := &machine{FSM: New(Options{Group: 2})}
		for i := range b.N {
			if i%len(parts) == 0 {
				target = &machine{FSM: New(Options{Group: 2})}
				target.apply(Admin, 1, moveSteps["install"])
			}
			target.apply(Admin, 1, InstallChunk(7, 1, uint64(i%len(parts)+1), 0, parts[i%len(parts)]))
		}
	})
	b.Run("delete", func(b *testing.B) {
		m := &machine{FSM: New(Options{Group: 1})}
		for range b.N {
			if m.Migration(7).Phase != migrate.Deleting {
				b.StopTimer()
				m = restored(b, source.snapshot(b), source.index)
				m.apply(Admin, 1, moveSteps["freeze"])
				m.apply(Admin, 1, moveSteps["seal"])
				b.StartTimer()
			}
			m.apply(Admin, 1, moveSteps["delete"])
		}
	})
	b.Run("view", func(b *testing.B) {
		for range b.N {
			source.Export(7)
		}
	})
}
