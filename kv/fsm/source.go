package fsm

import (
	"slices"

	"raftkv/kv"
	"raftkv/shard/migrate"
)

// These are the commands of the group that gives slots away (shard/DESIGN.md,
// "Migration"). Each returns an error reply and changes nothing, or nil.

func (s *state) export(number uint64, a *arguments) *kv.Reply {
	to, slots := a.number(), a.slots()
	if a.err != nil {
		return nil
	}
	if m := s.moves.find(number); m != nil && m.leaves() && slices.Equal(m.Slots, slots) {
		return nil
	}
	if is := s.moves.phase(number); is != migrate.Unknown {
		return wrongPhase(number, is)
	}
	if r := s.takeable(slots, Owned); r != nil {
		return r
	}
	m := &migration{Number: number, Slots: slots, Peer: uint32(to), Attempt: 1}
	s.moves.add(m)
	s.store.Track(number, slots, false)
	s.enter(m, migrate.Exporting, Exporting)
	return nil
}

// leaving finds a migration whose slots are here, in an attempt.
func (s *state) leaving(number, attempt uint64) (*migration, *kv.Reply) {
	m := s.moves.find(number)
	if m == nil || !m.leaves() {
		return nil, wrongPhase(number, s.moves.phase(number))
	}
	if m.Attempt != attempt {
		return m, refusal(codeOutdated, "migration %d is in attempt %d, not %d", number, m.Attempt, attempt)
	}
	return m, nil
}

func (s *state) freeze(number uint64, a *arguments) *kv.Reply {
	attempt := a.number()
	if a.err != nil {
		return nil
	}
	m, r := s.leaving(number, attempt)
	if r == nil && m.Phase == migrate.Exporting {
		to := Frozen
		if s.broken&Freeze != 0 {
			to = Exporting
		}
		s.enter(m, migrate.Frozen, to)
	}
	return r
}

func (s *state) seal(number uint64, a *arguments) *kv.Reply {
	attempt := a.number()
	if a.err != nil {
		return nil
	}
	m, r := s.leaving(number, attempt)
	switch {
	case r != nil:
		return r
	case m.Phase == migrate.Exporting:
		return wrongPhase(number, m.Phase)
	}
	m.Phase = migrate.Sealed
	return nil
}

func (s *state) thaw(number uint64, a *arguments) *kv.Reply {
	attempt, fenced := a.number(), a.number()
	if a.err != nil {
		return nil
	}
	m, r := s.leaving(number, attempt)
	switch {
	case m != nil && m.Attempt > attempt:
		return nil // it was done
	case r != nil:
		return r
	case m.Phase == migrate.Exporting:
		return wrongPhase(number, m.Phase)
	case m.Phase == migrate.Sealed && fenced == 0:
		return sealed(number)
	}
	m.Attempt++
	s.enter(m, migrate.Exporting, Exporting)
	return nil
}

func sealed(number uint64) *kv.Reply {
	return refusal(codeSealed, "migration %d: the other group may serve the slots; make it refuse first", number)
}

func (s *state) cancel(number uint64, a *arguments) *kv.Reply {
	fenced := a.number()
	if a.err != nil {
		return nil
	}
	m := s.moves.find(number)
	if m == nil {
		switch is := s.moves.phase(number); is {
		case migrate.Canceled:
			return nil
		case migrate.Unknown:
			// It must not begin when its command comes late.
			s.moves.end(number, migrate.Canceled)
			return nil
		default:
			return wrongPhase(number, is)
		}
	}
	switch {
	case !m.leaves():
		return wrongPhase(number, m.Phase)
	case m.Phase == migrate.Sealed && fenced == 0:
		return sealed(number)
	}
	s.store.Untrack(number)
	s.enter(m, migrate.Canceled, Owned)
	s.moves.end(number, migrate.Canceled)
	return nil
}

func (s *state) deleteMoved(number uint64, _ *arguments) *kv.Reply {
	m := s.moves.find(number)
	switch {
	case m == nil && s.moves.phase(number) == migrate.Deleted:
		return nil
	case m == nil || m.Phase != migrate.Sealed && m.Phase != migrate.Deleting:
		return wrongPhase(number, s.moves.phase(number))
	case m.Phase == migrate.Sealed:
		s.store.Untrack(number)
		s.enter(m, migrate.Deleting, Absent)
	}
	if s.erase(m.Slots, true) {
		s.moves.end(number, migrate.Deleted)
	}
	return nil
}
