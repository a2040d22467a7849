package fsm

import (
	"fmt"
	"strconv"
	"strings"

	"raftkv/kv"
	"raftkv/kv/resp"
	"raftkv/shard"
)

// Admin commands stand only in entries of kind Admin, which nodes propose and
// clients cannot. All are idempotent.
const (
	adminOwn     = "RAFTKV.OWN"     // epoch slots: the group owns these slots, as the first one
	adminLimit   = "RAFTKV.LIMIT"   // bytes: the largest value that commands may build up
	adminControl = "RAFTKV.CONTROL" // JSON: a change of the shard map, in group 0 alone
)

// OwnSlots makes the command by which a group takes slots that no group has ever
// owned, at the epoch of a map that gives them to it. Of the slots that it names,
// those that have ever been here stay as they are: see takeFirst.
func OwnSlots(epoch uint64, slots ...shard.Range) []byte {
	texts := make([]string, len(slots))
	for i, r := range slots {
		texts[i] = r.String()
	}
	return resp.AppendCommand(nil, adminOwn, strconv.FormatUint(epoch, 10), strings.Join(texts, ","))
}

// LimitValue makes the command that sets the largest value in bytes. It travels
// in the log because it decides what APPEND answers: replicas that were started
// with different flags must still agree.
func LimitValue(bytes int) []byte {
	return resp.AppendCommand(nil, adminLimit, strconv.Itoa(bytes))
}

// admin applies one admin command. Like a client's command it answers bad
// input with an error and changes nothing.
func (s *state) admin(args [][]byte) kv.Reply {
	if reply, known := s.move(args); known {
		return reply
	}
	switch name := string(args[0]); {
	case name == adminOwn && len(args) == 3:
		epoch, err := strconv.ParseUint(string(args[1]), 10, 64)
		if err != nil {
			return kv.ErrorReply(fmt.Sprintf("ERR epoch %q is no number", args[1]))
		}
		ranges, err := shard.ParseRanges(string(args[2]))
		if err != nil {
			return kv.ErrorReply("ERR " + err.Error())
		}
		for slot := range shard.Each(ranges) {
			if m := s.moves.moving(slot); m != nil {
				return *refused("slot %d is in migration %d", slot, m.Number)
			}
		}
		return s.takeFirst(epoch, ranges)
	case name == adminControl && len(args) == 2:
		return s.control(args[1])
	case name == adminLimit && len(args) == 2:
		limit, err := strconv.Atoi(string(args[1]))
		if err != nil || limit <= 0 {
			return kv.ErrorReply(fmt.Sprintf("ERR limit %q is no number of bytes", args[1]))
		}
		s.exec.MaxValue = limit
		return kv.OK
	}
	return kv.ErrorReply(fmt.Sprintf("ERR unknown admin command %q with %d arguments", args[0], len(args)-1))
}

// takeFirst makes the group own slots that no group has owned before: those that
// this one has never had to do with. Others are left as they are, whoever proposed
// it and whenever. A leader may read from an old map that the group owns slots
// which have moved away since, and they must not be served here again.
//
// That is enough: the controller gives a slot without an owner to one group, and
// the slot leaves it, or comes back, only through entries of the group's own log.
func (s *state) takeFirst(epoch uint64, slots []shard.Range) kv.Reply {
	if epoch == 0 {
		return kv.ErrorReply("ERR epoch 0 is before the first map")
	}
	first := s.slots.untouched(slots)
	for _, r := range first {
		s.slots.set(r, Owned, epoch)
	}
	for slot := range shard.Each(first) {
		s.gate(slot)
	}
	s.epoch = max(s.epoch, epoch)
	return kv.OK
}
