package server

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"raftkv/kv"
	"raftkv/kv/command"
)

// settings is what CONFIG GET shows: the truth about this server in Redis's
// words.
func (c *conn) settings() []Field {
	o := &c.server.opts
	_, port, _ := strings.Cut(o.Addr, ":")
	return []Field{
		{"appendfsync", "always"},
		{"appendonly", "yes"},
		{"cluster-enabled", "yes"},
		{"databases", "1"},
		{"maxclients", strconv.Itoa(o.MaxClients)},
		{"maxmemory", strconv.FormatInt(c.server.node.Info().MaxMemory, 10)},
		{"maxmemory-policy", "noeviction"},
		{"port", port},
		{"proto-max-bulk-len", strconv.Itoa(o.MaxValue)},
		{"save", ""},
		{"timeout", "0"},
	}
}

func config(c *conn, a [][]byte) kv.Reply {
	switch strings.ToLower(string(a[1])) {
	case "get":
		out := kv.Reply{Kind: kv.Map}
		for _, s := range c.settings() {
			for _, pattern := range a[2:] {
				if command.Match([]byte(strings.ToLower(string(pattern))), []byte(s.Name)) {
					out.Elems = append(out.Elems, kv.BulkString(s.Name), kv.BulkString(s.Value))
					break
				}
			}
		}
		return out
	case "set":
		if len(a)%2 != 0 {
			return command.WrongArity("config|set").Reply()
		}
		for i := 2; i < len(a); i += 2 {
			if err := c.refuseSetting(string(a[i]), string(a[i+1])); err != "" {
				return err.Reply()
			}
		}
		return kv.OK
	case "resetstat":
		return kv.OK
	case "rewrite":
		return kv.ErrorReply("ERR The server is running without a config file")
	}
	return unknownSub(a)
}

// refuseSetting lets CONFIG SET pass only where it changes nothing.
func (c *conn) refuseSetting(name, value string) kv.ReplyError {
	for _, s := range c.settings() {
		if strings.EqualFold(s.Name, name) {
			if s.Value == value {
				return ""
			}
			return kv.ReplyError(fmt.Sprintf("ERR CONFIG SET failed (possibly related to argument '%s') - it is set by a flag of raftkv serve, not at run time", name))
		}
	}
	return kv.ReplyError(fmt.Sprintf("ERR Unknown option or number of arguments for CONFIG SET - '%s'", name))
}

func function(c *conn, a [][]byte) kv.Reply {
	switch strings.ToLower(string(a[1])) {
	case "flush":
		if len(a) > 3 || len(a) == 3 && !is(a[2], "sync") && !is(a[2], "async") {
			return kv.ErrorReply("ERR FUNCTION FLUSH only supports SYNC|ASYNC option")
		}
		return kv.OK
	case "list":
		return kv.ArrayReply()
	}
	return unknownSub(a)
}

// latency knows of no event that was slow, and so has none to forget.
func latency(_ *conn, a [][]byte) kv.Reply {
	if is(a[1], "reset") {
		return kv.IntReply(0)
	}
	return kv.ArrayReply()
}

func emptyList(*conn, [][]byte) kv.Reply { return kv.ArrayReply() }

func slowlog(c *conn, a [][]byte) kv.Reply {
	switch strings.ToLower(string(a[1])) {
	case "get":
		if len(a) > 2 {
			if n, err := strconv.ParseInt(string(a[2]), 10, 64); err != nil || n < -1 {
				return kv.ErrorReply("ERR count should be greater than or equal to -1")
			}
		}
		return kv.ArrayReply()
	case "len":
		return kv.IntReply(0)
	case "reset":
		return kv.OK
	}
	return unknownSub(a)
}

func role(*conn, [][]byte) kv.Reply {
	return kv.ArrayReply(kv.BulkString("master"), kv.IntReply(0), kv.ArrayReply())
}

func commandInfo(c *conn, a [][]byte) kv.Reply {
	if len(a) == 1 {
		out := kv.Reply{Kind: kv.Array}
		for _, spec := range command.All() {
			out.Elems = append(out.Elems, command.InfoReply(spec))
		}
		return out
	}
	switch strings.ToLower(string(a[1])) {
	case "count":
		return kv.IntReply(int64(len(command.All())))
	case "list":
		return commandList(a[2:])
	case "info":
		if len(a) == 2 {
			return commandInfo(c, a[:1])
		}
		out := kv.Reply{Kind: kv.Array}
		for _, name := range a[2:] {
			if spec := command.Find(name); spec != nil {
				out.Elems = append(out.Elems, command.InfoReply(spec))
			} else {
				out.Elems = append(out.Elems, kv.Reply{Kind: kv.NilArray})
			}
		}
		return out
	case "docs":
		return command.DocsReply(a[2:])
	case "getkeys":
		return commandKeys(a[2:])
	}
	return unknownSub(a)
}

// commandList names all commands, or those that FILTERBY lets through.
func commandList(filter [][]byte) kv.Reply {
	wanted := func(*command.Spec) bool { return true }
	switch {
	case len(filter) == 0:
	case len(filter) != 3 || !is(filter[0], "filterby"):
		return kv.ErrorReply("ERR syntax error")
	case is(filter[1], "module"):
		wanted = func(*command.Spec) bool { return false } // there are none
	case is(filter[1], "aclcat"):
		category := "@" + strings.ToLower(string(filter[2]))
		wanted = func(s *command.Spec) bool { return slices.Contains(s.Categories, category) }
	case is(filter[1], "pattern"):
		pattern := bytes.ToLower(filter[2])
		wanted = func(s *command.Spec) bool { return command.Match(pattern, []byte(s.Name)) }
	default:
		return kv.ErrorReply("ERR syntax error")
	}
	out := kv.Reply{Kind: kv.Array}
	for _, spec := range command.All() {
		for _, s := range append([]*command.Spec{spec}, spec.Subcommands...) {
			if wanted(s) {
				out.Elems = append(out.Elems, kv.BulkString(s.Name))
			}
		}
	}
	return out
}

func commandKeys(a [][]byte) kv.Reply {
	spec := command.Lookup(a[0])
	if spec != nil && len(a) > 1 {
		if sub := spec.Held(a[1]); sub != nil {
			spec = sub
		}
	}
	switch {
	case spec == nil:
		return kv.ErrorReply("ERR Invalid command specified")
	case spec.CheckArity(len(a)) != nil:
		return kv.ErrorReply("ERR Invalid number of arguments specified for command")
	case spec.FirstKey == 0:
		return kv.ErrorReply("ERR The command has no key arguments")
	}
	out := kv.Reply{Kind: kv.Array}
	for _, key := range spec.AppendKeys(nil, a) {
		out.Elems = append(out.Elems, kv.BulkString(string(key)))
	}
	return out
}
