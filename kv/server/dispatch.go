package server

import (
	"bytes"
	"strings"

	"raftkv/kv"
	"raftkv/kv/command"
	"raftkv/shard"
)

// dispatch executes or queues the command in c.args; raw are its bytes. False: see
// inline; nothing was done.
func (c *conn) dispatch(raw []byte) bool {
	args := c.args
	spec := command.Lookup(args[0])
	if spec == nil {
		return c.refuse(nil, command.UnknownCommand(args))
	}
	c.lastName.Store(&spec.Name)
	if !c.authenticated && spec.Name != "auth" && spec.Name != "hello" && spec.Name != "quit" && spec.Name != "reset" {
		return c.refuse(spec, "NOAUTH Authentication required.")
	}
	if err := spec.Check(args); err != nil {
		return c.turn.settled() && c.refuse(spec, c.arityError(spec, err))
	}
	if c.multi.active && !controlsTransaction(spec) {
		return c.enqueue(spec, args)
	}
	if spec.Exec == nil && spec.Name != onceName || spec.FirstKey == 0 {
		return c.local(spec, args)
	}
	slot, err := c.admit(spec, args)
	if err != "" {
		return c.refuse(spec, err)
	}
	route := c.server.node.Route(slot)
	if route.Moving {
		if c.inline {
			return false
		}
		c.turn.settle() // others need not wait
		route = c.server.route(slot)
	}
	write := spec.Write()
	if !route.Leader && (write || !c.readonly || route.Group == nil) {
		return c.refuse(spec, c.server.redirect(route, slot))
	}
	added := false
	if write {
		added = c.turn.write(spec, slot, route.Group, raw)
	} else {
		added = c.turn.read(spec, slot, route.Group, args, raw)
	}
	if added {
		c.server.HotKeys.Observe(args[spec.FirstKey])
	}
	return added
}

// arityError words an error of arity as Redis does: a wrong EXEC ends its
// transaction.
func (c *conn) arityError(spec *command.Spec, err error) kv.ReplyError {
	text := kv.ReplyError(err.Error())
	if spec.Name != "exec" {
		return text
	}
	c.multi = transaction{}
	return "EXECABORT Transaction discarded because of: " + kv.ReplyError(strings.TrimPrefix(string(text), "ERR "))
}

const onceName = "raftkv.once"

// admit checks a command on data before anything is done, and tells its slot.
func (c *conn) admit(spec *command.Spec, args [][]byte) (slot uint16, err kv.ReplyError) {
	denyOOM := spec.DenyOOM()
	if spec.Name == onceName {
		inner, _, err := command.ParseOnce(args)
		if err != "" {
			return 0, err
		}
		slot = shard.Slot(args[1])
		inSpec := command.Lookup(inner[0])
		denyOOM = inSpec.DenyOOM()
		if err := c.checkSizes(inSpec, inner); err != "" {
			return 0, err
		}
	} else if slot, _, err = spec.Slot(args); err != "" {
		return 0, err
	}
	if err := c.checkSizes(spec, args); err != "" {
		return 0, err
	}
	if denyOOM && c.server.node.OverMemory() {
		return 0, kv.ErrOutOfMemory
	}
	return slot, ""
}

// refuse answers an error without doing anything. Inside MULTI it makes EXEC
// fail, as in Redis. False: see inline.
func (c *conn) refuse(spec *command.Spec, err kv.ReplyError) bool {
	if !c.turn.settled() {
		return false
	}
	if c.multi.active {
		c.multi.broken = true
	}
	r := err.Reply()
	if spec != nil {
		c.server.Stats.count(spec, outcomeOf(&r))
	}
	c.reply(r)
	return true
}

// local executes a command that the connection answers itself. False: see inline.
func (c *conn) local(spec *command.Spec, args [][]byte) bool {
	if c.inline && !prompt[spec.Name] || !c.turn.settled() {
		return false
	}
	r := c.answer(spec, args)
	if r.Kind == kv.Error && c.multi.active && spec.Name != "multi" && spec.Name != "watch" {
		c.multi.broken = true
	}
	c.server.Stats.count(spec, outcomeOf(&r))
	c.reply(r)
	return true
}

// prompt are the commands without a key that never wait and take no time.
var prompt = map[string]bool{"ping": true, "echo": true, "readonly": true, "readwrite": true, "asking": true, "select": true, "multi": true, "discard": true}

// answer finds and runs the handler of a command.
func (c *conn) answer(spec *command.Spec, args [][]byte) kv.Reply {
	handler := handlers[spec.Name]
	switch {
	case handler == nil:
		return command.UnknownCommand(args).Reply()
	case len(spec.Subcommands) > 0 && len(args) == 2 && is(args[1], "help"):
		return command.HelpReply(spec)
	}
	return handler(c, args)
}

// is compares an argument with a word in any case.
func is(arg []byte, word string) bool { return bytes.EqualFold(arg, []byte(word)) }
