package command

import "raftkv/kv"

// DocsReply answers COMMAND DOCS for names, or for all commands. redis-cli asks for it
// when it starts, and shows the arguments while one types.
func DocsReply(names [][]byte) kv.Reply {
	out := kv.Reply{Kind: kv.Map}
	for _, name := range names {
		if s := Find(name); s != nil {
			out.Elems = append(out.Elems, kv.BulkString(s.Name), s.docs())
		}
	}
	if len(names) == 0 {
		for _, s := range table {
			out.Elems = append(out.Elems, kv.BulkString(s.Name), s.docs())
		}
	}
	return out
}

func (s *Spec) docs() kv.Reply {
	out := kv.Reply{Kind: kv.Map, Elems: []kv.Reply{
		kv.BulkString("summary"), kv.BulkString(s.Summary),
		kv.BulkString("since"), kv.BulkString(s.Since),
		kv.BulkString("group"), kv.BulkString(s.Group),
	}}
	if len(s.Arguments) > 0 {
		out.Elems = append(out.Elems, kv.BulkString("arguments"), argumentDocs(s.Arguments))
	}
	if len(s.Subcommands) > 0 {
		held := kv.Reply{Kind: kv.Map}
		for _, sub := range s.Subcommands {
			held.Elems = append(held.Elems, kv.BulkString(sub.Name), sub.docs())
		}
		out.Elems = append(out.Elems, kv.BulkString("subcommands"), held)
	}
	return out
}

func argumentDocs(arguments []Argument) kv.Reply {
	out := kv.ArrayReply()
	for _, a := range arguments {
		doc := []kv.Reply{kv.BulkString("name"), kv.BulkString(a.Name), kv.BulkString("type"), kv.BulkString(a.Type)}
		if a.Type != "oneof" && a.Type != "block" {
			doc = append(doc, kv.BulkString("display_text"), kv.BulkString(a.Name))
		}
		if a.Token != "" {
			doc = append(doc, kv.BulkString("token"), kv.BulkString(a.Token))
		}
		var flags []string
		if a.Optional {
			flags = append(flags, "optional")
		}
		if a.Multiple {
			flags = append(flags, "multiple")
		}
		if len(flags) > 0 {
			doc = append(doc, kv.BulkString("flags"), words(flags))
		}
		if len(a.Arguments) > 0 {
			doc = append(doc, kv.BulkString("arguments"), argumentDocs(a.Arguments))
		}
		out.Elems = append(out.Elems, kv.Reply{Kind: kv.Map, Elems: doc})
	}
	return out
}
