package server

import (
	"raftkv/kv"
	"raftkv/kv/resp"
)

// The balancer goes by what the groups' leaders serve, so every command on a slot that
// was served is counted, whatever way it came: by a turn, in a transaction or by HTTP.

// countRead counts a read that a group has answered.
func countRead(g Group, slot uint16, r *kv.Reply) {
	if served(r) {
		g.Heat().Read(slot, len(r.Str))
	}
}

// countWrite counts a command of so many bytes that a group has put through its log.
func countWrite(g Group, slot uint16, bytes int, r *kv.Reply) {
	if served(r) {
		g.Heat().Write(slot, bytes)
	}
}

// countExec counts each command of a transaction, all on one slot, as if it had come
// by itself. One that was aborted has executed none.
func countExec(g Group, slot uint16, commands []queued, r *kv.Reply) {
	if r.Kind != kv.Array || len(r.Elems) != len(commands) {
		return
	}
	var raw []byte
	for i, q := range commands {
		if !q.spec.Write() {
			countRead(g, slot, &r.Elems[i])
			continue
		}
		raw = resp.AppendCommand(raw[:0], q.args...)
		countWrite(g, slot, len(raw), &r.Elems[i])
	}
}

// served tells whether a group has done what it was asked for, even if that came to an
// error: what it refuses is no load. What is uncertain was work all the same.
func served(r *kv.Reply) bool {
	if r.Kind != kv.Error {
		return true
	}
	switch err := kv.ReplyError(r.Str); err.Code() {
	case "CLUSTERDOWN", "BUSY", "OOM", "MOVED":
		return false
	default:
		return err != kv.ErrDiskFull
	}
}
