package fsm

import (
	"bytes"
	"fmt"
	"slices"

	"raftkv/kv"
	"raftkv/kv/command"
	"raftkv/kv/store"
	"raftkv/shard"
	"raftkv/shard/controller"
)

// state is all that a group replicates. It is deterministic: entries are its
// only input, and it reads no clock. Not safe for concurrent use.
type state struct {
	store    *store.Store
	sessions *sessions
	slots    *slotTable
	moves    moves
	epoch    uint64
	term     uint64 // of the last applied entry
	exec     command.Ctx
	// controller holds the shard map, in group 0; nil in others.
	controller *controller.State
	broken     Rules // that do not hold
	events     sessionEvents
}

// DefaultMaxValue bounds values, in bytes, until the log says otherwise.
const DefaultMaxValue = 1 << 20

func newState(st *store.Store) *state {
	s := &state{
		store:    st,
		sessions: newSessions(),
		slots:    new(slotTable),
		exec:     command.Ctx{Store: st, MaxValue: DefaultMaxValue},
	}
	s.gateAll()
	return s
}

// apply executes one entry. Replies are appended to replies if wanted is set;
// without it, commands that only read are skipped. changed tells whether any
// reader could see a difference.
func (s *state) apply(e Entry, index, term uint64, wanted bool, replies []kv.Reply) (_ []kv.Reply, changed bool) {
	s.term = term
	s.events.wanted = wanted
	if e.Kind == Barrier {
		return replies, false
	}
	due, any := s.store.NextDeadline()
	s.store.Advance(e.Clock, index)
	s.sessions.end(s.store.Clock(), index, s.migrates, s.sessionEnds)
	changed = any && due <= s.store.Clock()

	err := EachCommand(e.Payload, func(args [][]byte) {
		var r kv.Reply
		if e.Kind == Admin {
			r = s.admin(args)
		} else {
			r = s.command(args, wanted)
		}
		changed = true
		if wanted {
			replies = append(replies, r)
		}
	})
	if err != nil && wanted {
		replies = append(replies, kv.ErrorReply("ERR "+err.Error()))
	}
	return replies, changed
}

// Names of the commands that the state machine handles itself.
var (
	nameOnce = []byte("RAFTKV.ONCE")
	nameExec = []byte(command.ExecName)
)

// command executes one client command. With wanted unset the reply of a read
// is nobody's business, and it is skipped.
func (s *state) command(args [][]byte, wanted bool) kv.Reply {
	if name := args[0]; len(name) == len(nameOnce) && (name[0]|0x20) == 'r' {
		if bytes.EqualFold(name, nameOnce) {
			return s.once(args)
		}
		if bytes.EqualFold(name, nameExec) {
			return s.transaction(args, wanted)
		}
	}
	spec := command.Lookup(args[0])
	if spec == nil || spec.Exec == nil {
		return command.UnknownCommand(args).Reply()
	}
	if !wanted && !spec.Write() {
		return kv.Reply{}
	}
	return s.run(spec, args)
}

// run checks and executes one data command.
func (s *state) run(spec *command.Spec, args [][]byte) kv.Reply {
	if err := spec.CheckArity(len(args)); err != nil {
		return kv.ErrorReply(err.Error())
	}
	slot, hasKeys, err := spec.Slot(args)
	if err != "" {
		return err.Reply()
	}
	if hasKeys && !s.slots.state[slot].Serves() {
		return kv.ErrUnserved.Reply()
	}
	return spec.Exec(&s.exec, args)
}

// once executes RAFTKV.ONCE key client-id seq COMMAND args...: at most once
// for a client's sequence number in the key's slot (Raft dissertation,
// section 6.3).
func (s *state) once(args [][]byte) kv.Reply {
	inner, seq, err := command.ParseOnce(args)
	if err != "" {
		return err.Reply()
	}
	slot := shard.Slot(args[1])
	if !s.slots.state[slot].Serves() {
		return kv.ErrUnserved.Reply()
	}
	if s.broken&Sessions != 0 {
		return s.run(command.Lookup(inner[0]), inner)
	}
	last := s.sessions.find(slot, args[2])
	if last != nil {
		if seq == last.seq {
			s.events.add(sayRepeated, last, args[1], seq)
			return last.reply
		}
		if seq < last.seq {
			s.events.add(sayOutdated, last, args[1], seq)
			return errSeqOutdated(seq, last.seq).Reply()
		}
	}
	reply := s.run(command.Lookup(inner[0]), inner)
	s.sessions.remember(&session{slot: slot, id: string(args[2]), seq: seq, active: s.store.Clock(), reply: reply.Clone(), changed: s.store.Index()})
	return reply
}

func (s *state) sessionEnds(x *session) { s.events.add(sayForgot, x, nil, 0) }

// transaction executes an EXEC: all commands next to each other, or none if a
// watched key has changed since it was read.
func (s *state) transaction(args [][]byte, wanted bool) kv.Reply {
	watches, commands, err := command.DecodeExec(args)
	if err != nil {
		return kv.ErrorReply("ERR " + err.Error())
	}
	for _, w := range watches {
		if slot := shard.Slot(w.Key); !s.slots.state[slot].Serves() {
			return kv.ErrUnserved.Reply()
		}
		if s.store.Version(w.Key) != w.Version {
			return kv.Reply{Kind: kv.NilArray}
		}
	}
	// A slot that is not served must fail the whole transaction, not one
	// command of it.
	for _, c := range commands {
		spec := command.Lookup(c[0])
		if spec == nil {
			return command.UnknownCommand(c).Reply()
		}
		if slot, hasKeys, _ := spec.Slot(c); hasKeys && !s.slots.state[slot].Serves() {
			return kv.ErrUnserved.Reply()
		}
	}
	out := make([]kv.Reply, len(commands))
	for i, c := range commands {
		out[i] = s.command(c, wanted)
	}
	return kv.Reply{Kind: kv.Array, Elems: out}
}

// describe is the snapshot's meta section.
type describe struct {
	Slots      []SlotRange       `json:"slots"`
	Had        []shard.Range     `json:"had,omitempty"` // slots that have ever been here
	Limit      int               `json:"max_value"`
	Controller *controller.State `json:"controller,omitempty"`

	Moves []migration      `json:"migrations,omitempty"`
	Ended []endedMigration `json:"ended_migrations,omitempty"`
	Floor uint64           `json:"migrations_forgotten,omitempty"` // up to this number
}

// describe returns what the meta section holds. It shares nothing with the state
// that the state changes.
func (s *state) describe() describe {
	d := describe{
		Slots: s.slots.ranges(), Had: s.slots.had.ranges(), Limit: s.exec.MaxValue,
		Ended: slices.Clone(s.moves.ended), Floor: s.moves.floor,
	}
	if s.controller != nil {
		d.Controller = s.controller.Clone()
	}
	for _, m := range s.moves.active {
		c := *m
		c.Base, c.Cleared = s.store.Trail(m.Number)
		d.Moves = append(d.Moves, c)
	}
	return d
}

func (s *state) restoreDescription(d describe) error {
	if err := s.slots.load(d.Slots); err != nil {
		return fmt.Errorf("meta section: %w", err)
	}
	for _, r := range d.Had {
		if r.From() > r.To() || r.To() >= shard.Slots {
			return fmt.Errorf("meta section: slot range %v makes no sense", r)
		}
		for slot := int(r.From()); slot <= int(r.To()); slot++ {
			s.slots.had.add(uint16(slot))
		}
	}
	if d.Limit <= 0 {
		return fmt.Errorf("meta section: max_value is %d", d.Limit)
	}
	s.exec.MaxValue, s.controller = d.Limit, d.Controller
	for _, r := range d.Slots {
		s.epoch = max(s.epoch, r.Epoch)
	}
	for _, m := range d.Moves {
		if len(m.Slots) == 0 || m.Phase.Ended() {
			return fmt.Errorf("meta section: migration %d of %d slot ranges is %q", m.Number, len(m.Slots), m.Phase)
		}
		for _, r := range m.Slots {
			if r.From() > r.To() || r.To() >= shard.Slots {
				return fmt.Errorf("meta section: migration %d has slots %v", m.Number, r)
			}
		}
		s.moves.add(&m)
	}
	s.moves.ended, s.moves.floor = d.Ended, d.Floor
	return nil
}

// migrates tells whether a slot is in a migration in which it is, or may come to
// be, this group's.
func (s *state) migrates(slot uint16) bool {
	switch s.slots.state[slot] {
	case Installing, Exporting, Frozen:
		return true
	}
	return false
}

// gateAll tells the store what the slot table says of all slots.
func (s *state) gateAll() {
	for slot := range uint16(shard.Slots) {
		s.gate(slot)
	}
}
