package node

import (
	"slices"
	"strings"
	"testing"

	"raftkv/kv"
	"raftkv/kv/pulse"
	"raftkv/shard"
)

// Only migrations that take long are told of, once at each step; and what is known
// of one goes with it.
func TestBoardFollowsMigrations(t *testing.T) {
	var got []string
	b := newBoard(pulse.Portable(), func(_ uint64, e kv.Event) { got = append(got, e.String()) })
	b.begin(7, new(bulletin))
	at := func(epoch uint64, p kv.MoveProgress) {
		b.follow(report{Node: "n1", Moves: map[uint64]moveState{epoch: {Group: 1, MoveProgress: p}}})
	}
	at(3, kv.MoveProgress{Step: "chunk", Keys: 100, Records: 50, Bytes: 5e5, ElapsedMS: 500})
	at(3, kv.MoveProgress{Step: "activate", Keys: 100, Records: 100, Bytes: 1e6, ElapsedMS: 900})
	at(4, kv.MoveProgress{Step: "chunk", Keys: 1000, Records: 250, Bytes: 3e6, ElapsedMS: 1500})
	at(4, kv.MoveProgress{Step: "copy", Keys: 1000, Records: 500, Bytes: 6e6, ElapsedMS: 2500})
	at(4, kv.MoveProgress{Step: "freeze", Keys: 1000, Records: 1100, Bytes: 9e6, ElapsedMS: 3500})
	at(4, kv.MoveProgress{Step: "seal", Keys: 1000, Records: 1100, Bytes: 9e6, ElapsedMS: 3600})
	at(4, kv.MoveProgress{Step: "delete", Keys: 1000, Records: 1100, Bytes: 9e6, ElapsedMS: 3700})
	want := []string{
		"migration 4 has copied 25% of 1000 keys, 2.0 MB/s",
		"migration 4 hands the slots over",
		"migration 4 deletes what has moved",
	}
	if !slices.Equal(got, want) {
		t.Errorf("it tells\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if len(b.moves) != 1 {
		t.Errorf("it remembers %d migrations of a node that drives one", len(b.moves))
	}
	b.follow(report{Node: "n2"})
	m := &shard.Map{Migrations: []shard.Migration{{Epoch: 4}, {Epoch: 9}}}
	list := b.migrations(m)
	if len(list) != 2 || list[0].Progress == nil || list[0].Progress.Percent() != 100 || list[1].Progress != nil {
		t.Errorf("the list is %+v", list)
	}
	m.Migrations = []shard.Migration{{Epoch: 3}}
	if list := b.migrations(m); len(list) != 1 || list[0].Progress != nil {
		t.Errorf("what the map has forgotten is remembered: %+v", list)
	}
}
