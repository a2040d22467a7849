package plan

import (
	"testing"

	"raftkv/shard/heat"
)

func TestGiantSlotIsToldAndNotShuffled(t *testing.T) {
	load := append(zipf(100_000, 5000, "key"), heat.SlotHeat{Slot: 9000, Writes: 10_000})
	s := rested(t, 4, Options{}, load)
	if s.moves > 16 || noted(s.notes, "slot 9000 alone is 67% of all load") != 1 {
		t.Errorf("%d moves; %q", s.moves, s.notes)
	}
	byNode, _ := s.loads()
	host := s.leaders[s.m.Owner[9000]]
	for id, l := range byNode {
		if id != host && l > 1.2*5000/3 || id == host && l > 10_000+0.2*5000/3 {
			t.Errorf("%s serves %.0f ops/s of %v, the slot is on %s", id, l, byNode, host)
		}
	}
	s.noise = 0.1
	moves := s.moves
	s.rest(100)
	s.rest(100)
	if s.moves > moves+1 {
		t.Errorf("noise brings %d moves: %q", s.moves-moves, s.notes)
	}
}

func TestGiantsPartWays(t *testing.T) {
	s := rested(t, 3, Options{}, slotHeat(func(slot int) float64 {
		if slot == 100 || slot == 200 || slot == 300 {
			return 5000
		}
		return 0.01
	}))
	if a, b, c := s.m.Owner[100], s.m.Owner[200], s.m.Owner[300]; a == b || b == c || a == c {
		t.Errorf("groups %d, %d and %d own the three hot slots; %q", a, b, c, s.notes)
	}
	if s.moves > 3 {
		t.Errorf("%d moves", s.moves)
	}
}
