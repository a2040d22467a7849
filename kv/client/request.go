package client

import (
	"fmt"

	"raftkv/kv"
	"raftkv/kv/command"
	"raftkv/kv/resp"
)

// effect tells when a command may be sent again.
type effect int

const (
	reads  effect = iota // at any time
	once                 // at any time: its session keeps it from being executed twice
	writes               // only if it is known that nothing was done: no session covers it
)

// request is one command on its way.
type request struct {
	name   string // for errors
	effect effect
	keyed  bool
	slot   uint16 // of the keys; 0 if there are none
	key    string // the first one
	bare   bool   // a write that is still to be wrapped in RAFTKV.ONCE
	wire   []byte // what is sent
}

// parse looks a command up. Its errors are those that a node would give, and
// nothing needs to be sent for them.
func parse(args []string) (*request, error) {
	if len(args) == 0 {
		return nil, kv.ReplyError("ERR no command was given")
	}
	raw := make([][]byte, len(args))
	for i, a := range args {
		raw[i] = []byte(a)
	}
	spec := command.Lookup(raw[0])
	if spec == nil {
		return nil, command.UnknownCommand(raw)
	}
	if err := spec.CheckArity(len(raw)); err != nil {
		return nil, err
	}
	if changesConnection(spec.Name) {
		return nil, kv.ReplyError(fmt.Sprintf("ERR '%s' changes a connection, and the client's connections are shared: use a Redis client for it", spec.Name))
	}
	slot, keyed, refused := spec.Slot(raw)
	if refused != "" {
		return nil, refused
	}
	r := &request{name: spec.Name, keyed: keyed, slot: slot, wire: resp.AppendCommand(nil, raw...)}
	if keyed {
		r.key = args[spec.FirstKey]
	}
	switch {
	case spec.Name == "raftkv.once": // the caller has a session of its own
		r.effect = once
	case spec.Write() && keyed:
		r.effect, r.bare = once, true
	case spec.Write():
		r.effect = writes
	}
	return r, nil
}

// changesConnection names the commands whose effect stays with a connection:
// the next call would get another one, and a stranger this one.
func changesConnection(name string) bool {
	switch name {
	case "asking", "auth", "client", "discard", "exec", "hello", "multi", "quit",
		"readonly", "readwrite", "reset", "select", "unwatch", "watch":
		return true
	}
	return false
}
