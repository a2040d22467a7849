package server

import (
	"context"
	"time"

	"raftkv/kv"
	"raftkv/kv/command"
	"raftkv/kv/resp"
)

// Do executes one command on data without a connection, as for a client that has
// authenticated. Commands on connections and on many slots are refused. If
// another node leads, the reply is MOVED.
func (s *Server) Do(ctx context.Context, args [][]byte) kv.Reply {
	if len(args) == 0 {
		return kv.ErrorReply("ERR no command")
	}
	spec := command.Lookup(args[0])
	if spec == nil {
		return command.UnknownCommand(args).Reply()
	}
	if err := spec.CheckArity(len(args)); err != nil {
		return kv.ErrorReply(err.Error())
	}
	if spec.FirstKey == 0 || spec.Exec == nil && spec.Name != onceName {
		return kv.ErrorReply("ERR '" + spec.Name + "' is not available here: use a Redis client")
	}
	r := s.do(ctx, spec, args)
	s.Stats.count(spec, outcomeOf(&r))
	return r
}

func (s *Server) do(ctx context.Context, spec *command.Spec, args [][]byte) kv.Reply {
	c := &conn{server: s} // admit needs the limits alone
	slot, err := c.admit(spec, args)
	if err != "" {
		return err.Reply()
	}
	start := time.Now()
	if spec.Write() {
		raw := resp.AppendCommand(nil, args...)
		defer func() { s.Stats.Writes.observe(time.Since(start), 1) }()
		return s.untilServed(slot, func(g Group) kv.Reply { return writeOn(g, slot, raw) })
	}
	defer func() { s.Stats.Reads.observe(time.Since(start), 1) }()
	return s.untilServed(slot, func(g Group) kv.Reply { return readOn(ctx, g, slot, spec, args, s.opts.Now()) })
}
