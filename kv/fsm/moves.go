package fsm

import (
	"cmp"
	"fmt"
	"slices"

	"raftkv/kv"
	"raftkv/shard"
	"raftkv/shard/migrate"
)

// migration is a move of slots to or from another group, as this group's log has
// it. The slots are all in the same state, and in no other migration.
type migration struct {
	Number  uint64        `json:"migration"`
	Phase   migrate.Phase `json:"phase"`
	Slots   []shard.Range `json:"slots"`
	Peer    uint32        `json:"peer"`
	Attempt uint64        `json:"attempt,omitempty"`

	// Of slots that come in.
	Run     uint64 `json:"run,omitempty"`
	Chunk   uint64 `json:"chunk,omitempty"`
	Through uint64 `json:"through,omitempty"`

	// What store.Trail says, in a snapshot.
	Base    uint64 `json:"base,omitempty"`
	Cleared uint64 `json:"cleared,omitempty"`
}

// keepsTrail tells whether the store remembers changes of the slots.
func (m *migration) keepsTrail() bool { return m.leaves() || m.Phase == migrate.Installing }

// leaves tells whether the slots are here and on their way out.
func (m *migration) leaves() bool {
	return m.Phase == migrate.Exporting || m.Phase == migrate.Frozen || m.Phase == migrate.Sealed
}

// endedMigration is what is remembered of a migration that has ended, so that
// commands which come late do nothing and get the right answer.
type endedMigration struct {
	Number uint64        `json:"migration"`
	Phase  migrate.Phase `json:"phase"`
}

// maxEnded bounds how many ended migrations a group remembers. It is part of the
// state machine's definition: every replica must use the same number.
const maxEnded = 256

// moves holds a group's migrations.
type moves struct {
	active []*migration // sorted by number
	ended  []endedMigration
	// floor is the highest number that was forgotten: an unknown migration up to it
	// may be one that ended, so it is not begun.
	floor uint64
}

func (v *moves) find(number uint64) *migration {
	at, found := slices.BinarySearchFunc(v.active, number, func(m *migration, n uint64) int { return cmp.Compare(m.Number, n) })
	if !found {
		return nil
	}
	return v.active[at]
}

// phase returns what is known of a migration.
func (v *moves) phase(number uint64) migrate.Phase {
	if m := v.find(number); m != nil {
		return m.Phase
	}
	for i := len(v.ended) - 1; i >= 0; i-- {
		if v.ended[i].Number == number {
			return v.ended[i].Phase
		}
	}
	if number <= v.floor {
		return migrate.Forgotten
	}
	return migrate.Unknown
}

func (v *moves) add(m *migration) {
	at, _ := slices.BinarySearchFunc(v.active, m.Number, func(o *migration, n uint64) int { return cmp.Compare(o.Number, n) })
	v.active = slices.Insert(v.active, at, m)
}

// end notes how a migration has ended; it need not have been active.
func (v *moves) end(number uint64, phase migrate.Phase) {
	v.active = slices.DeleteFunc(v.active, func(m *migration) bool { return m.Number == number })
	v.ended = append(v.ended, endedMigration{number, phase})
	if n := len(v.ended) - maxEnded; n > 0 {
		for _, e := range v.ended[:n] {
			v.floor = max(v.floor, e.Number)
		}
		v.ended = slices.Delete(v.ended, 0, n)
	}
}

// moving returns the migration that has a slot, or nil.
func (v *moves) moving(slot uint16) *migration {
	for _, m := range v.active {
		if slices.ContainsFunc(m.Slots, func(r shard.Range) bool { return r.Contains(slot) }) {
			return m
		}
	}
	return nil
}

// takeable returns an error unless all slots are in a state and in no migration.
func (s *state) takeable(slots []shard.Range, want SlotState) *kv.Reply {
	for _, r := range slots {
		for _, m := range s.moves.active {
			for _, o := range m.Slots {
				if r.From() <= o.To() && o.From() <= r.To() {
					return refused("slots %v are in migration %d", o, m.Number)
				}
			}
		}
	}
	for slot := range shard.Each(slots) {
		if is := s.slots.state[slot]; is != want {
			return refused("slot %d is %s, not %s", slot, is, want)
		}
	}
	return nil
}

// enter moves the slots of a migration to a state, and shows or hides their keys.
func (s *state) enter(m *migration, phase migrate.Phase, to SlotState) {
	m.Phase = phase
	for slot := range shard.Each(m.Slots) {
		epoch := s.slots.epoch[slot]
		if to == Installing {
			epoch = m.Number
		}
		s.slots.set(shard.Range{slot, slot}, to, epoch)
		s.gate(slot)
	}
	s.epoch = max(s.epoch, m.Number)
}

// gate tells the store what the slot table says.
func (s *state) gate(slot uint16) {
	s.store.SetGate(slot, !s.slots.state[slot].Serves(), s.slots.epoch[slot])
}

// Bounds of the keys and sessions that one entry removes: it must not take
// longer than a few milliseconds. They are part of the state machine's definition.
const (
	eraseKeys  = 1000
	eraseBytes = 4 << 20
)

// erase removes what one entry may of the slots' keys, and then of their
// sessions. It tells whether nothing is left.
func (s *state) erase(slots []shard.Range, sessionsToo bool) (done bool) {
	left, full := eraseKeys, s.store.Bytes()
	for _, r := range slots {
		left -= s.store.DeleteSlots(r.From(), r.To(), left, eraseBytes-(full-s.store.Bytes()))
		if left <= 0 || full-s.store.Bytes() >= eraseBytes {
			return false
		}
	}
	for _, r := range slots {
		if !sessionsToo {
			break
		}
		if left -= s.sessions.clear(r.From(), r.To(), left); left <= 0 {
			return false
		}
	}
	return true
}

// status shows a migration to drivers and people.
func (s *state) status(number uint64) migrate.Status {
	st := migrate.Status{Migration: number, Phase: s.moves.phase(number)}
	m := s.moves.find(number)
	if m == nil {
		return st
	}
	st.Slots, st.Peer, st.Attempt = m.Slots, m.Peer, m.Attempt
	st.Run, st.Chunk, st.Through = m.Run, m.Chunk, m.Through
	for slot := range shard.Each(m.Slots) {
		st.Keys += s.store.SlotLen(slot)
		st.Sessions += int(s.sessions.count[slot])
	}
	return st
}

// Codes of the replies that refuse a migration's commands; errorOf reads them.
const (
	codeActivated = "ACTIVATED"
	codeEnded     = "ENDED"
	codeOutdated  = "OUTDATED"
	codeSealed    = "SEALED"
	codeMismatch  = "MISMATCH"
	codeRefused   = "REFUSED"
)

func refusal(code, format string, args ...any) *kv.Reply {
	r := kv.ErrorReply(code + " " + fmt.Sprintf(format, args...))
	return &r
}

func refused(format string, args ...any) *kv.Reply { return refusal(codeRefused, format, args...) }

// wrongPhase answers a command that does not fit what the migration is in.
func wrongPhase(number uint64, is migrate.Phase) *kv.Reply {
	switch {
	case is == migrate.Activated:
		return refusal(codeActivated, "migration %d: the slots are this group's", number)
	case is == migrate.Unknown:
		return refused("migration %d has not begun here", number)
	case is.Ended():
		return refusal(codeEnded, "migration %d has ended here: %s", number, is)
	}
	return refused("migration %d is %s", number, is)
}
