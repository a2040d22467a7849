package fsm

import (
	"raftkv/kv/resp"
	"raftkv/kv/store"
	"raftkv/shard"
	"raftkv/shard/migrate"
	"raftkv/snapshot"
)

// Bounds of a part of a migration: applying it must not take longer than a few
// milliseconds. A larger record travels alone.
const (
	maxPartBytes   = 128 << 10
	maxPartRecords = 1000
)

// Export takes a view of a migration's slots, which must be on their way out. It
// takes microseconds at any size, and the parts are made beside traffic.
func (f *FSM) Export(number uint64) (*migrate.View, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.state
	m := s.moves.find(number)
	if m == nil || !m.leaves() {
		return nil, false
	}
	x := &exporter{number: number, partRecords: f.partRecords, slots: m.Slots, view: s.store.Snapshot(), sessions: s.sessions.copy()}
	return &migrate.View{
		// Not the store's own, which is that of the last change, or, restored, of the
		// snapshot: the next leader's view must not seem older than this one's.
		Index:   f.Applied(),
		Clock:   x.view.Clock(),
		Attempt: m.Attempt,
		Frozen:  m.Phase != migrate.Exporting,
		Digest:  s.digest(m),
		Parts:   x.parts,
	}, true
}

// Migration tells what the group's log says of a migration. Those of all that
// have not ended here are returned by Migrations, in order.
func (f *FSM) Migration(number uint64) migrate.Status {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.state.status(number)
}

// Migrations returns the migrations that have not ended in this group.
func (f *FSM) Migrations() []migrate.Status {
	f.mu.RLock()
	defer f.mu.RUnlock()
	var out []migrate.Status
	for _, m := range f.state.moves.active {
		out = append(out, f.state.status(m.Number))
	}
	return out
}

// exporter makes parts of a view. Nothing of it changes, so it needs no lock.
type exporter struct {
	number      uint64
	partRecords int
	slots       []shard.Range
	view        *store.View
	sessions    *sessions
}

// parts is migrate.View's Parts.
func (x *exporter) parts(since uint64, emit func(migrate.Part) error) error {
	p := &parts{emit: emit, records: x.partRecords}
	base, cleared, _ := x.view.Trail(x.number)
	from := since
	if cleared > 0 && since < cleared {
		// All earlier keys went at once. The entry that cleared may have set others.
		p.fail(emit(migrate.Part{Wipe: true}))
		from = cleared - 1
	}
	if from < base {
		x.all(p)
	} else {
		x.changes(from, p)
	}
	x.changedSessions(since, p)
	p.flush()
	return p.err
}

// all lists everything. A target that has something of an earlier round learns
// what has gone since: tombstones are kept from the beginning.
func (x *exporter) all(p *parts) {
	for slot := range shard.Each(x.slots) {
		x.view.AscendGraves(slot, func(key []byte, _, _ uint64) bool {
			return p.room(len(key)) && p.add(func(c *snapshot.Chunk) { c.Tombstone(slot, key) })
		})
		x.view.AscendSlot(slot, func(key []byte, it store.Item) bool {
			return p.room(len(key)+len(it.Value)) && p.add(func(c *snapshot.Chunk) { c.Key(slot, key, it.Value, it.ExpireAt) })
		})
		if p.err != nil {
			return
		}
	}
}

func (x *exporter) changes(since uint64, p *parts) {
	x.view.Changes(x.number, since, func(slot uint16, key []byte, it store.Item, deleted bool) bool {
		return p.room(len(key)+len(it.Value)) && p.add(func(c *snapshot.Chunk) {
			if deleted {
				c.Tombstone(slot, key)
			} else {
				c.Key(slot, key, it.Value, it.ExpireAt)
			}
		})
	})
}

func (x *exporter) changedSessions(since uint64, p *parts) {
	var reply []byte
	for slot := range shard.Each(x.slots) {
		if x.sessions.touched[slot] <= since {
			continue
		}
		x.sessions.ascend(slot, func(s *session) bool {
			if s.changed <= since {
				return true
			}
			reply = resp.AppendReply(reply[:0], &s.reply, 3)
			return p.room(len(s.id)+len(reply)) && p.add(func(c *snapshot.Chunk) { c.Session(slot, s.id, s.seq, s.active, reply) })
		})
	}
}

// parts cuts records into parts.
type parts struct {
	emit    func(migrate.Part) error
	records int // in one part, at most
	chunk   snapshot.Chunk
	err     error
}

func (p *parts) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

// room emits the part that is full before a record of about n bytes comes. It
// tells whether to go on.
func (p *parts) room(n int) bool {
	if p.chunk.Records() >= p.records || p.chunk.Records() > 0 && p.chunk.Len()+n > maxPartBytes {
		p.flush()
	}
	return p.err == nil
}

func (p *parts) add(record func(*snapshot.Chunk)) bool {
	record(&p.chunk)
	return true
}

func (p *parts) flush() {
	n := p.chunk.Records()
	if p.err == nil && n > 0 {
		p.err = p.emit(migrate.Part{Bytes: p.chunk.Take(), Records: n})
	}
}
