package fsm

import (
	"errors"

	"raftkv/kv"
	"raftkv/kv/resp"
	"raftkv/shard"
	"raftkv/shard/controller"
)

// ErrStale is the code of the error that answers a control command which was
// meant for an earlier map: nothing was done.
const ErrStale = "STALE"

// Control makes the command by which group 0 changes the shard map; change comes
// from package controller. The reply is a controller.Reply in JSON.
func Control(change []byte) []byte { return resp.AppendCommand(nil, adminControl, string(change)) }

// control applies a change of the shard map.
func (s *state) control(change []byte) kv.Reply {
	if s.controller == nil {
		return kv.ErrorReply("ERR only group 0 holds the shard map")
	}
	reply, err := s.controller.Apply(change, s.store.Clock())
	switch {
	case errors.Is(err, controller.ErrStale):
		return kv.ErrorReply(ErrStale + " " + err.Error())
	case err != nil:
		return kv.ErrorReply("ERR " + err.Error())
	}
	return kv.BulkReply(reply)
}

// Map returns the newest shard map that this replica of group 0 has applied, an
// empty one in other groups. It takes no lock, and must not be changed.
func (f *FSM) Map() *shard.Map { return f.shardMap.Load() }

// MapAt returns the map of an earlier epoch; see controller.State.MapAt.
func (f *FSM) MapAt(epoch uint64) (*shard.Map, error) {
	f.mu.RLock()
	history := f.state.controller
	if history != nil {
		history = history.Clone() // making an old map takes time
	}
	f.mu.RUnlock()
	if history == nil {
		return nil, controller.ErrNoMap
	}
	return history.MapAt(epoch)
}

// publishMap shows readers the map, and tells whoever waits for it. It must be
// called with mu held.
func (f *FSM) publishMap() {
	if f.state.controller == nil {
		return
	}
	m := f.state.controller.Map()
	if f.shardMap.Swap(m) != m && f.opts.MapChanged != nil {
		f.opts.MapChanged()
	}
}

// Notes returns what was noted of the newest maps after an epoch; see
// controller.State.Notes.
func (f *FSM) Notes(after uint64, limit int) []controller.Note {
	f.mu.RLock()
	history := f.state.controller
	if history != nil {
		history = history.Clone() // reading takes time
	}
	f.mu.RUnlock()
	if history == nil {
		return nil
	}
	return history.Notes(after, limit)
}
