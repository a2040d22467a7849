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

// keySpecs says where the keys stand in the form that newer clients prefer.
func (s *Spec) keySpecs() kv.Reply {
	if s.FirstKey == 0 {
		return kv.ArrayReply()
	}
	access := "RO"
	if s.write {
		access = "RW"
	}
	last := s.LastKey
	if last > 0 {
		last -= s.FirstKey // counted from the first key, unless from the end
	}
	return kv.ArrayReply(kv.Reply{Kind: kv.Map, Elems: []kv.Reply{
		kv.BulkString("flags"), words([]string{access}),
		kv.BulkString("begin_search"), {Kind: kv.Map, Elems: []kv.Reply{
			kv.BulkString("type"), kv.BulkString("index"),
			kv.BulkString("spec"), {Kind: kv.Map, Elems: []kv.Reply{kv.BulkString("index"), kv.IntReply(int64(s.FirstKey))}},
		}},
		kv.BulkString("find_keys"), {Kind: kv.Map, Elems: []kv.Reply{
			kv.BulkString("type"), kv.BulkString("range"),
			kv.BulkString("spec"), {Kind: kv.Map, Elems: []kv.Reply{
				kv.BulkString("lastkey"), kv.IntReply(int64(last)),
				kv.BulkString("keystep"), kv.IntReply(int64(s.Step)),
				kv.BulkString("limit"), kv.IntReply(0),
			}},
		}},
	}})
}

func (s *Spec) subcommands() kv.Reply {
	out := kv.Reply{Kind: kv.Array}
	for _, held := range s.Subcommands {
		sub := Spec{Name: s.Name + "|" + held.Name, Arity: held.Arity, Flags: s.Flags, Categories: s.Categories}
		if s.Name == "object" && held.Name != "help" || s.Name == "memory" && held.Name == "usage" {
			sub.FirstKey, sub.LastKey, sub.Step = subKey[0], subKey[1], subKey[2]
		}
		out.Elems = append(out.Elems, InfoReply(&sub))
	}
	return out
}

// HelpReply answers HELP of a container: the names of what it holds.
func HelpReply(s *Spec) kv.Reply {
	out := kv.ArrayReply(kv.SimpleReply(strings.ToUpper(s.Name) + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"))
	for _, sub := range s.Subcommands {
		out.Elems = append(out.Elems, kv.SimpleReply(strings.ToUpper(sub.Name)))
	}
	return out
}

// DocsReply answers COMMAND DOCS for names, or for all commands.
func DocsReply(names [][]byte) kv.Reply {
	out := kv.Reply{Kind: kv.Map}
	add := func(s *Spec) {
		out.Elems = append(out.Elems, kv.BulkString(s.Name), kv.Reply{Kind: kv.Map, Elems: []kv.Reply{
			kv.BulkString("summary"), kv.BulkString(s.Summary),
			kv.BulkString("since"), kv.BulkString(s.Since),
			kv.BulkString("group"), kv.BulkString(s.Group),
		}})
	}
	for _, name := range names {
		if s := Lookup(name); s != nil {
			add(s)
		}
	}
	if len(names) == 0 {
		for _, s := range table {
			add(s)
		}
	}
	return out
}
