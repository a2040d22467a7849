package fsm

import (
	"encoding/json"
	"fmt"
	"strconv"

	"raftkv/kv"
	"raftkv/kv/resp"
	"raftkv/shard"
)

// Admin commands stand only in entries of kind Admin, which nodes propose and
// clients cannot. All are idempotent.
const (
	adminOwn    = "RAFTKV.OWN"    // epoch slots: the group owns these slots
	adminNode   = "RAFTKV.NODE"   // JSON: where a node listens
	adminForget = "RAFTKV.FORGET" // node id: the node is no member any more
	adminLimit  = "RAFTKV.LIMIT"  // bytes: the largest value that commands may build up
)

// NodeInfo is what the members of a group know of each other. It is replicated,
// so that any node can redirect a client to any other after a restart.
type NodeInfo struct {
	ID      string `json:"id"`
	Replica string `json:"replica"` // raft server id of its replica
	Redis   string `json:"redis"`   // host:port that clients reach
	HTTP    string `json:"http"`
	Peer    string `json:"peer"` // host:port that other nodes reach
}

// OwnSlots makes the command by which the group takes slots at an epoch.
func OwnSlots(epoch uint64, slots shard.Range) []byte {
	return resp.AppendCommand(nil, adminOwn, strconv.FormatUint(epoch, 10), slots.String())
}

// SetNode makes the command that records where a node listens.
func SetNode(info NodeInfo) []byte {
	b, err := json.Marshal(info)
	if err != nil {
		panic(err) // a struct of strings always marshals
	}
	return resp.AppendCommand(nil, adminNode, string(b))
}

// ForgetNode makes the command that removes a node from the directory.
func ForgetNode(id string) []byte { return resp.AppendCommand(nil, adminForget, id) }

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
		for _, r := range ranges {
			s.slots.set(r, Owned, epoch)
		}
		for slot := range shard.Each(ranges) {
			s.gate(slot)
		}
		s.epoch = max(s.epoch, epoch)
		return kv.OK
	case name == adminNode && len(args) == 2:
		var info NodeInfo
		if err := json.Unmarshal(args[1], &info); err != nil || info.ID == "" {
			return kv.ErrorReply(fmt.Sprintf("ERR node record %q: %v", args[1], err))
		}
		s.nodes = s.nodes.with(info)
		return kv.OK
	case name == adminForget && len(args) == 2:
		s.nodes = s.nodes.without(string(args[1]))
		return kv.OK
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

// directory is an immutable list of nodes, sorted by id.
type directory []NodeInfo

func (d directory) with(info NodeInfo) directory {
	out := make(directory, 0, len(d)+1)
	placed := false
	for _, n := range d {
		if !placed && n.ID >= info.ID {
			out, placed = append(out, info), true
		}
		if n.ID != info.ID {
			out = append(out, n)
		}
	}
	if !placed {
		out = append(out, info)
	}
	return out
}

func (d directory) without(id string) directory {
	out := make(directory, 0, len(d))
	for _, n := range d {
		if n.ID != id {
			out = append(out, n)
		}
	}
	return out
}
