package server

import (
	"bytes"
	"strings"

	"raftkv/kv"
	"raftkv/kv/command"
	"raftkv/shard"
)

// dispatch executes or queues the command in c.args; raw are its bytes.
func (c *conn) dispatch(raw []byte) {
	args := c.args
	spec := command.Lookup(args[0])
	if spec == nil {
		c.refuse(nil, command.UnknownCommand(args))
		return
	}
	c.lastName.Store(&spec.Name)
	if !c.authenticated && spec.Name != "auth" && spec.Name != "hello" && spec.Name != "quit" && spec.Name != "reset" {
		c.refuse(spec, "NOAUTH Authentication required.")
		return
	}
	if err := spec.Check(args); err != nil {
		c.refuse(spec, c.arityError(spec, err))
		return
	}
	if c.multi.active && !controlsTransaction(spec) {
		c.enqueue(spec, args)
		return
	}
	if spec.Exec == nil && spec.Name != onceName || spec.FirstKey == 0 {
		c.local(spec, args)
		return
	}
	slot, err := c.admit(spec, args)
	if err != "" {
		c.refuse(spec, err)
		return
	}
	route := c.server.node.Route(slot)
	if route.Moving {
		c.turn.settle() // others need not wait
		route = c.server.route(slot)
	}
	write := spec.Write()
	if !route.Leader && (write || !c.readonly || route.Group == nil) {
		c.refuse(spec, c.server.redirect(route, slot))
		return
	}
	c.server.HotKeys.Observe(args[spec.FirstKey])
	if write {
		c.turn.write(spec, slot, route.Group, raw)
	} else {
		c.turn.read(spec, slot, route.Group, args, raw)
	}
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
// fail, as in Redis.
func (c *conn) refuse(spec *command.Spec, err kv.ReplyError) {
	c.turn.settle()
	if c.multi.active {
		c.multi.broken = true
	}
	r := err.Reply()
	if spec != nil {
		c.server.Stats.count(spec, outcomeOf(&r))
	}
	c.reply(r)
}

// local executes a command that the connection answers itself.
func (c *conn) local(spec *command.Spec, args [][]byte) {
	c.turn.settle()
	r := c.answer(spec, args)
	if r.Kind == kv.Error && c.multi.active && spec.Name != "multi" && spec.Name != "watch" {
		c.multi.broken = true
	}
	c.server.Stats.count(spec, outcomeOf(&r))
	c.reply(r)
}

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
