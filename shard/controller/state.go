// Package controller is the state machine of group 0: the shard map, the
// commands that change it, and its history. It is pure: no I/O, no clock, no
// goroutine. The group's log hands it committed commands.
package controller

import (
	"encoding/json"
	"errors"
	"fmt"

	"raftkv/shard"
)

// ErrStale is returned for a command that was meant for an earlier map (At).
// Nothing was done: look at the new map, and decide anew.
var ErrStale = errors.New("the shard map has moved on")

// ErrNoMap is returned for an epoch that has not come yet, or is not kept any
// more.
var ErrNoMap = errors.New("no such shard map")

// State is the shard map with its history. It is not safe for concurrent use;
// the maps that it returns are.
type State struct {
	current *shard.Map // never changed: each change makes another
	// last is the highest group number that was ever given.
	last    uint32
	history history
}

// New returns the state of a cluster without nodes.
func New() *State {
	m := new(shard.Map)
	return &State{current: m, history: newHistory(m)}
}

// Map returns the current map, which is that of epoch 0 when the state is new.
// Whoever has it may share it but not change it, and neither will the State.
func (s *State) Map() *shard.Map { return s.current }

// MapAt returns the map of an earlier epoch, or ErrNoMap. It is made
// from the history, which takes about as long as reading two maps from JSON.
func (s *State) MapAt(epoch uint64) (*shard.Map, error) {
	if epoch == s.current.Epoch {
		return s.current, nil
	}
	return s.history.at(epoch)
}

// Clone returns a state that goes its own way. It shares with s what neither
// changes, so it is cheap, whatever the size of the history: a snapshot is
// written from a clone while s goes on.
func (s *State) Clone() *State {
	return &State{current: s.current, last: s.last, history: s.history.clone()}
}

// Apply carries out a command. It is deterministic: the same commands make the
// same states and replies on every replica. An error has changed nothing, and
// says what to do instead. A command that changes nothing is answered all the
// same and makes no new epoch; every other makes the next. At is the log's time in
// ms, for the history alone. The reply is a Reply in JSON.
func (s *State) Apply(cmd []byte, at int64) (reply []byte, err error) {
	c, err := decode(cmd)
	if err != nil {
		return nil, err
	}
	if c.If != nil && *c.If != s.current.Epoch {
		return nil, fmt.Errorf("%w: the command was for epoch %d, this is epoch %d; read the map again", ErrStale, *c.If, s.current.Epoch)
	}
	ch := &change{Map: s.current.Clone(), last: s.last}
	ch.Epoch++
	if err := rules[c.Op](ch, c); err != nil {
		return nil, err
	}
	if ch.changed {
		// The rules keep the invariants. Should one of them be wrong, its command is
		// refused rather than the map broken.
		if err := ch.Check(); err != nil {
			return nil, fmt.Errorf("%s would break the shard map: %w", c.Op, err)
		}
		s.history.add(s.current, ch.Map, note(s.current, ch, c, at))
		s.current, s.last = ch.Map, ch.last
	}
	ch.reply.Epoch, ch.reply.Changed = s.current.Epoch, ch.changed
	return json.Marshal(ch.reply)
}

// change is a map in the making: the clone of the current one, with the next
// epoch.
type change struct {
	*shard.Map
	last    uint32
	changed bool // the map differs from the current one in more than its epoch
	reply   Reply
}

// group finds the group that a command is about.
func (ch *change) group(id *uint32) (*shard.Group, error) {
	if id == nil {
		return nil, errors.New("the command names no group")
	}
	g := ch.Group(*id)
	if g == nil && *id <= ch.last {
		return nil, fmt.Errorf("group %d has been removed", *id)
	}
	if g == nil {
		return nil, fmt.Errorf("there is no group %d; add it first", *id)
	}
	return g, nil
}

// gone tells whether a group was there once and has been removed, so that what
// is asked of it may be done already.
func (ch *change) gone(id *uint32) bool {
	return id != nil && *id != shard.Controller && *id <= ch.last && ch.Group(*id) == nil
}

// node finds the node that a command is about.
func (ch *change) node(id string) (*shard.Node, error) {
	n := ch.Node(id)
	if n == nil {
		return nil, fmt.Errorf("there is no node %q; it has to join first", id)
	}
	return n, nil
}

func setBalance(ch *change, c command) error {
	if c.On == nil {
		return errors.New("the command says neither on nor off")
	}
	ch.changed = ch.Balance != *c.On
	ch.Balance = *c.On
	return nil
}
