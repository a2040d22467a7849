package command

import (
	"fmt"
	"strconv"

	"raftkv/kv"
	"raftkv/shard"
)

// MaxClientID bounds the client id of a session, in bytes.
const MaxClientID = 128

// ParseOnce checks RAFTKV.ONCE key client-id seq COMMAND args... and returns
// the inner command and the sequence number. The server calls it before it
// proposes, the state machine again when it applies: a log may hold anything.
func ParseOnce(args [][]byte) (inner [][]byte, seq uint64, err kv.ReplyError) {
	if len(args) < 5 {
		return nil, 0, "ERR wrong number of arguments for 'raftkv.once' command; it takes: key client-id seq COMMAND [arg ...]"
	}
	key, id, inner := args[1], args[2], args[4:]
	if len(id) == 0 || len(id) > MaxClientID {
		return nil, 0, kv.ReplyError(fmt.Sprintf("ERR RAFTKV.ONCE client-id must have 1 to %d bytes", MaxClientID))
	}
	seq, parseErr := strconv.ParseUint(string(args[3]), 10, 64)
	if parseErr != nil || seq == 0 {
		return nil, 0, "ERR RAFTKV.ONCE seq must be a whole number of at least 1"
	}
	spec := Lookup(inner[0])
	if spec == nil {
		return nil, 0, UnknownCommand(inner)
	}
	if spec.Exec == nil || !spec.Write() {
		return nil, 0, kv.ReplyError(fmt.Sprintf("ERR RAFTKV.ONCE takes a command that writes; '%s' does not", spec.Name))
	}
	if arity := spec.CheckArity(len(inner)); arity != nil {
		return nil, 0, kv.ReplyError(arity.Error())
	}
	slot, hasKeys, err := spec.Slot(inner)
	if err != "" {
		return nil, 0, err
	}
	if !hasKeys {
		return nil, 0, kv.ReplyError(fmt.Sprintf("ERR RAFTKV.ONCE needs a command with keys; '%s' has none", spec.Name))
	}
	if slot != shard.Slot(key) {
		return nil, 0, "CROSSSLOT the key of RAFTKV.ONCE and the keys of its command don't hash to the same slot"
	}
	return inner, seq, ""
}
