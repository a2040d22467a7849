package fsm

import (
	"slices"

	"raftkv/kv"
	"raftkv/shard"
	"raftkv/shard/migrate"
)

// These are the commands of the group that takes slots (shard/DESIGN.md,
// "Migration"). Each returns an error reply and changes nothing, or nil.

func (s *state) install(number uint64, a *arguments) *kv.Reply {
	from, slots, attempt, run := a.number(), a.slots(), a.number(), a.number()
	if a.err != nil {
		return nil
	}
	m := s.moves.find(number)
	switch is := s.moves.phase(number); {
	case m == nil && is == migrate.Unknown:
		if r := s.takeable(slots, Absent); r != nil {
			return r
		}
		m = &migration{Number: number, Slots: slots, Peer: uint32(from)}
		s.moves.add(m)
		s.store.Track(number, slots, true)
		s.enter(m, migrate.Installing, Installing)
	case is != migrate.Installing:
		return wrongPhase(number, is)
	case !slices.Equal(m.Slots, slots):
		return refused("migration %d is of slots %s", number, shard.FormatRanges(m.Slots))
	case attempt < m.Attempt:
		return refusal(codeOutdated, "migration %d is in attempt %d, not %d", number, m.Attempt, attempt)
	}
	m.Attempt = attempt
	if m.Run != run {
		m.Run, m.Chunk = run, 0
	}
	return nil
}

// arriving finds a migration whose next part comes from a run. again tells that
// the part was brought already.
func (s *state) arriving(number, run, seq uint64) (m *migration, again bool, r *kv.Reply) {
	m = s.moves.find(number)
	switch {
	case m == nil || m.Phase != migrate.Installing:
		return nil, false, wrongPhase(number, s.moves.phase(number))
	case m.Run != run:
		return nil, false, refusal(codeOutdated, "migration %d takes chunks of another driver", number)
	case seq > m.Chunk+1:
		return nil, false, refusal(codeOutdated, "migration %d has chunk %d, not the one before %d", number, m.Chunk, seq)
	}
	return m, seq <= m.Chunk, nil
}

func (s *state) chunk(number uint64, a *arguments) *kv.Reply {
	run, seq, through, b := a.number(), a.number(), a.number(), a.next()
	if a.err != nil {
		return nil
	}
	m, again, r := s.arriving(number, run, seq)
	if r != nil || again {
		return r
	}
	if err := s.receive(m, b); err != nil {
		return refused("chunk %d of migration %d: %v", seq, number, err)
	}
	m.Chunk = seq
	if through != 0 {
		m.Through = through
	}
	return nil
}

func (s *state) wipe(number uint64, a *arguments) *kv.Reply {
	run, seq, all := a.number(), a.number(), a.number()
	if a.err != nil {
		return nil
	}
	m, again, r := s.arriving(number, run, seq)
	if r != nil || again {
		return r
	}
	if all != 0 {
		m.Through = 0
	}
	if s.erase(m.Slots, all != 0) {
		m.Chunk = seq
	}
	s.store.Forget(number) // what was wiped has not expired
	return nil
}

func (s *state) activate(number uint64, a *arguments) *kv.Reply {
	attempt, clock := a.number(), a.number()
	want := migrate.Digest{Keys: a.number(), Sessions: a.number()}
	if a.err != nil {
		return nil
	}
	m := s.moves.find(number)
	switch is := s.moves.phase(number); {
	case is == migrate.Activated:
		return nil
	case is != migrate.Installing:
		return wrongPhase(number, is)
	case m.Attempt != attempt:
		return refusal(codeOutdated, "migration %d is in attempt %d, not %d", number, m.Attempt, attempt)
	}
	if got := s.digest(m); got != want {
		return refusal(codeMismatch, "migration %d: the slots have digest %x here and %x there", number, got, want)
	}
	s.store.Untrack(number)
	// What was seen to expire there must not come back here.
	s.store.Advance(int64(clock), s.store.Index())
	s.enter(m, migrate.Activated, Owned)
	s.moves.end(number, migrate.Activated)
	return nil
}

func (s *state) digest(m *migration) migrate.Digest {
	d := migrate.Digest{Keys: s.store.Digest(m.Number)}
	for slot := range shard.Each(m.Slots) {
		d.Sessions += s.sessions.digest[slot]
	}
	return d
}

func (s *state) abort(number uint64, _ *arguments) *kv.Reply {
	m := s.moves.find(number)
	switch is := s.moves.phase(number); is {
	case migrate.Aborted:
		return nil
	case migrate.Unknown:
		// It must not begin when its command comes late.
		s.moves.end(number, migrate.Aborted)
		return nil
	case migrate.Installing:
		s.store.Untrack(number)
		s.enter(m, migrate.Aborting, Absent)
	case migrate.Aborting:
	default:
		return wrongPhase(number, is)
	}
	if s.erase(m.Slots, true) {
		s.moves.end(number, migrate.Aborted)
	}
	return nil
}
