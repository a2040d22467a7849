package plan

import (
	"slices"
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

// Slots that carry all the load part ways as well, though nothing else is left to
// reckon a node's share by.
func TestGiantsWithoutOtherLoadPartWays(t *testing.T) {
	s := rested(t, 3, Options{}, nil)
	from := s.m.SlotsOf(1)[0].From()
	s.heat = []heat.SlotHeat{{Slot: from, Reads: 5000}, {Slot: from + 1, Reads: 5000}}
	s.rest(200)
	if s.m.Owner[from] == s.m.Owner[from+1] {
		t.Errorf("group %d owns both hot slots; %q", s.m.Owner[from], s.notes)
	}
	if s.moves != 1 || noted(s.notes, "alone is 50% of all load") != 2 {
		t.Errorf("%d moves; %q", s.moves, s.notes)
	}
}

// However few slots carry the load, no node is left with more of it than the hottest
// slot and what it should have in any case.
func TestFewHotSlotsAreSpread(t *testing.T) {
	for seed := range uint64(40) {
		s := newSim(t.Fatalf, seed, 2+int(seed%4), Options{})
		s.rest(100)
		from := s.m.SlotsOf(1)[0].From()
		var loads []float64
		for i := range 1 + s.rng.IntN(6) {
			loads = append(loads, []float64{1000, 1000, 500, 2000, 300}[s.rng.IntN(5)])
			s.heat = append(s.heat, heat.SlotHeat{Slot: from + uint16(i), Reads: loads[i]})
		}
		s.rest(300)
		byNode, total := s.loads()
		peak, biggest := 0.0, slices.Max(loads)
		for _, l := range byNode {
			peak = max(peak, l)
		}
		if peak >= max(biggest, total/float64(len(s.m.Nodes)))+biggest && len(loads) > 1 {
			t.Errorf("seed %d: slots of %v ops/s on %v; %q", seed, loads, byNode, s.notes)
		}
	}
}
