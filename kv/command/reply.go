package command

import (
	"strings"

	"raftkv/kv"
)

// InfoReply describes a command as COMMAND does in Redis 7.
func InfoReply(s *Spec) kv.Reply {
	return kv.ArrayReply(
		kv.BulkString(s.Name),
		kv.IntReply(int64(s.Arity)),
		words(s.Flags),
		kv.IntReply(int64(s.FirstKey)),
		kv.IntReply(int64(s.LastKey)),
		kv.IntReply(int64(s.Step)),
		words(s.Categories),
		tips(s.Tips),
		s.keySpecs(),
		s.subcommands(),
	)
}

func tips(in []string) kv.Reply {
	out := kv.ArrayReply()
	for _, t := range in {
		out.Elems = append(out.Elems, kv.BulkString(t))
	}
	return out
}

func words(in []string) kv.Reply {
	out := kv.Reply{Kind: kv.Set}
	for _, w := range in {
		out.Elems = append(out.Elems, kv.SimpleReply(w))
	}
	return out
}

func (s *Spec) subcommands() kv.Reply {
	out := kv.Reply{Kind: kv.Array}
	for _, sub := range s.Subcommands {
		out.Elems = append(out.Elems, InfoReply(sub))
	}
	return out
}

// HelpReply answers HELP of a container: what it holds, and what that is for.
func HelpReply(s *Spec) kv.Reply {
	out := kv.ArrayReply(kv.SimpleReply(strings.ToUpper(s.Name) + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"))
	for _, sub := range s.Subcommands {
		line := strings.ToUpper(sub.word())
		if len(sub.Arguments) > 0 {
			line += " " + plainSyntax(sub.Arguments)
		}
		out.Elems = append(out.Elems, kv.SimpleReply(line), kv.SimpleReply("    "+sub.Summary))
	}
	return out
}
