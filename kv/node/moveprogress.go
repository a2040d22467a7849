package node

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"raftkv/kv"
	"raftkv/kv/group"
	"raftkv/kv/store"
	"raftkv/shard"
)

const (
	// slowMove is how long a migration may take before its steps are told: most are
	// over sooner.
	slowMove = time.Second
	// moveNews is how often is told how far one is that stays at a step.
	moveNews = 10 * time.Second
)

// moveState is what the driver of a migration reports.
type moveState struct {
	Group uint32 `json:"group"` // that it drives it for: the source
	kv.MoveProgress
}

// moveTold is what the board knows of a migration.
type moveTold struct {
	moveState
	node string    // that drives it
	said string    // the last event without its numbers
	at   time.Time // of the last event
}

// moves returns how far the migrations are that this node carries out.
func (d *drivers) moves() map[uint64]moveState {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make(map[uint64]moveState, len(d.running))
	for epoch, run := range d.running {
		p := run.state()
		out[epoch] = moveState{Group: run.group, MoveProgress: kv.MoveProgress{
			Step: string(p.Step), Keys: run.keys, Records: int64(p.Records), Bytes: p.Bytes,
			ElapsedMS: time.Since(run.began).Milliseconds(), FrozenMS: p.Frozen.Milliseconds(),
		}}
	}
	return out
}

// keysIn counts the keys of slots.
func keysIn(g *group.Group, slots []shard.Range) (n int64) {
	g.View(func(st *store.Store) {
		for slot := range shard.Each(slots) {
			n += int64(st.SlotLen(slot))
		}
	})
	return n
}

// follow notes how far the reporter's migrations are, forgets those that it drives no
// more, and tells of those that take long: when they come to another step, and from time to
// time.
func (b *board) follow(r report) {
	var news []kv.Event
	b.mu.Lock()
	if b.moves == nil {
		b.moves = make(map[uint64]moveTold)
	}
	maps.DeleteFunc(b.moves, func(epoch uint64, told moveTold) bool {
		_, still := r.Moves[epoch]
		return told.node == r.Node && !still
	})
	for epoch, state := range r.Moves {
		told := b.moves[epoch]
		told.moveState, told.node = state, r.Node
		said := state.String()
		if state.Copying() {
			said = "copies"
		}
		slow := time.Duration(state.ElapsedMS)*time.Millisecond >= slowMove
		if slow && (said != told.said || time.Since(told.at) > moveNews) {
			told.said, told.at = said, time.Now()
			news = append(news, kv.Event{Kind: kv.EventMoving, Node: r.Node, Group: state.Group, Text: fmt.Sprintf("migration %d %s", epoch, state.MoveProgress)})
		}
		b.moves[epoch] = told
	}
	b.mu.Unlock()
	if len(news) > 0 {
		b.edit(func(*bulletin) bool {
			for _, e := range news {
				b.tell(b.term, e)
			}
			return true
		})
	}
}

// migrations lists those of a map with what was told of them, and forgets the others.
func (b *board) migrations(m *shard.Map) []kv.Migration {
	b.mu.Lock()
	defer b.mu.Unlock()
	out, known := []kv.Migration{}, make(map[uint64]moveTold)
	for _, x := range m.Migrations {
		one := kv.Migration{Migration: x}
		if told, ok := b.moves[x.Epoch]; ok {
			known[x.Epoch] = told
			one.Progress = &told.MoveProgress
		}
		out = append(out, one)
	}
	b.moves = known
	return out
}

// Migrations lists those that are under way, and how far they are. Any node may be
// asked.
func (n *Node) Migrations(ctx context.Context) (out []kv.Migration, err error) {
	answer, err := n.askController(ctx, callMoves, n.serveMigrations)
	if err == nil {
		err = json.Unmarshal(answer, &out)
	}
	return out, err
}

// serveMigrations answers on the controller's leader.
func (n *Node) serveMigrations() ([]byte, error) {
	if g := n.group(shard.Controller); g == nil || !g.Serving() {
		return nil, errNoController
	}
	return json.Marshal(n.board.migrations(n.shardMap()))
}
