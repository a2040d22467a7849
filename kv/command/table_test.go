package command

import (
	"bufio"
	"bytes"
	"slices"
	"strings"
	"testing"

	"raftkv/kv"
	"raftkv/kv/resp"
)

// extensions are commands that redis-server 7.0 does not have.
var extensions = []string{"delifeq", "raftkv.fault", "raftkv.once"}

// newSubcommands came to Redis after 7.0.
var newSubcommands = []string{"client|no-touch", "client|setinfo", "cluster|myshardid", "cluster|slot-stats"}

// deviations from redis-server 7.0, each with a reason.
var deviations = map[string]bool{
	"msetnx tips":           true, // in parts it would not be atomic
	"wait flags":            true, // as in 7.2
	"command|getkeys arity": true, // 7.2 takes one argument less
}

// COMMAND's table must be true: clients route and retry by it.
func TestTableLikeRedis(t *testing.T) {
	redis := dialRedis(t, startRedis(t))
	for _, spec := range All() {
		if slices.Contains(extensions, spec.Name) {
			continue
		}
		reply, err := resp.ReadReply(bufio.NewReader(bytes.NewReader(redis.do([]byte("COMMAND"), []byte("INFO"), []byte(spec.Name)))))
		if err != nil {
			t.Fatal(err)
		}
		if len(reply.Elems) != 1 || len(reply.Elems[0].Elems) < 10 {
			t.Errorf("%s: redis-server does not have it: %v", spec.Name, reply)
			continue
		}
		theirs, ours := reply.Elems[0].Elems, InfoReply(spec).Elems
		compareSpecs(t, spec.Name, ours, theirs)
		subcommands := make(map[string][]kv.Reply)
		for _, sub := range theirs[9].Elems {
			subcommands[string(sub.Elems[0].Str)] = sub.Elems
		}
		for _, sub := range ours[9].Elems {
			name := string(sub.Elems[0].Str)
			theirs, there := subcommands[name]
			if !there && !slices.Contains(newSubcommands, name) {
				t.Errorf("redis-server does not have %s", name)
			}
			if there {
				compareSpecs(t, name, sub.Elems, theirs)
			}
		}
	}
}

// compareSpecs compares a command with redis-server's.
func compareSpecs(t *testing.T, name string, ours, theirs []kv.Reply) {
	t.Helper()
	withoutNotes(theirs[8])
	for i, what := range []string{"name", "arity", "flags", "first key", "last key", "step", "categories", "tips", "key specifications"} {
		if deviations[name+" "+what] {
			continue
		}
		if a, b := ordered(ours[i]), ordered(theirs[i]); a != b {
			t.Errorf("%s: %s is %s, in redis-server %s", name, what, a, b)
		}
	}
}

// withoutNotes removes what key specifications say to people.
func withoutNotes(specs kv.Reply) {
	for i := range specs.Elems {
		spec := &specs.Elems[i].Elems
		if len(*spec) > 1 && string((*spec)[0].Str) == "notes" {
			*spec = (*spec)[2:]
		}
	}
}

// ordered shows a reply as text, sets in order.
func ordered(r kv.Reply) string {
	slices.SortFunc(r.Elems, func(a, b kv.Reply) int { return bytes.Compare(a.Str, b.Str) })
	return r.String()
}

// ownSyntax are commands whose arguments differ from those in redis-server 7.0.
var ownSyntax = []string{
	"client|kill", "client|list", "client|reply", "client|tracking", // fewer
	"command|getkeys", // which documents none
	"debug",           // as well
	"config|get",      // which has a block of one
	"set",             // IFEQ
}

// redis-cli shows what COMMAND DOCS says while one types.
func TestDocsLikeRedis(t *testing.T) {
	redis := dialRedis(t, startRedis(t))
	for _, spec := range byFullName {
		if slices.Contains(extensions, spec.Name) || slices.Contains(newSubcommands, spec.Name) {
			continue
		}
		reply, err := resp.ReadReply(bufio.NewReader(bytes.NewReader(redis.do([]byte("COMMAND"), []byte("DOCS"), []byte(spec.Name)))))
		if err != nil {
			t.Fatal(err)
		}
		if len(reply.Elems) != 2 {
			t.Errorf("%s: redis-server does not have it: %v", spec.Name, reply)
			continue
		}
		ours, theirs := DocsReply([][]byte{[]byte(spec.Name)}).Elems[1], reply.Elems[1]
		for _, what := range []string{"since", "group"} {
			if a, b := field(ours, what), field(theirs, what); a.String() != b.String() {
				t.Errorf("%s: %s is %s, in redis-server %s", spec.Name, what, a, b)
			}
		}
		a, b := showArguments(field(ours, "arguments")), showArguments(field(theirs, "arguments"))
		if a != b && !slices.Contains(ownSyntax, spec.Name) {
			t.Errorf("%s takes %q, in redis-server %q", spec.Name, a, b)
		}
	}
}

// field returns a field of a map.
func field(m kv.Reply, name string) kv.Reply {
	for i := 0; i+1 < len(m.Elems); i += 2 {
		if string(m.Elems[i].Str) == name {
			return m.Elems[i+1]
		}
	}
	return kv.Reply{}
}

// showArguments writes arguments in one line. The names of what stands for several are
// nobody's business.
func showArguments(arguments kv.Reply) string {
	var out []string
	for _, a := range arguments.Elems {
		kind := string(field(a, "type").Str)
		text := kind + " " + string(field(a, "name").Str)
		switch kind {
		case "oneof", "block":
			text = kind + "(" + showArguments(field(a, "arguments")) + ")"
		case "pure-token":
			text = kind
		}
		out = append(out, text+" "+string(field(a, "token").Str)+ordered(field(a, "flags")))
	}
	return strings.Join(out, ", ")
}

// What a line of the table says is what COMMAND DOCS says.
func TestSyntax(t *testing.T) {
	for line, want := range map[string]string{
		"":                               "",
		"key value":                      "key value",
		"(key value) ...":                "key value [key value ...]",
		"[EX seconds|KEEPTTL] [GET]":     "[EX seconds|KEEPTTL] [GET]",
		"[ID client-id ...]":             "[ID client-id [client-id ...]]",
		"(LIST | HEAL [id] | a [b ...])": "LIST|HEAL [id]|a [b [b ...]]",
		"[p [AUTH (user password)]]":     "[p [AUTH user password]]",
		"n:double":                       "n",
	} {
		got, err := parseSyntax(line)
		if err != nil || plainSyntax(got) != want {
			t.Errorf("%q is shown as %q, %v; want %q", line, plainSyntax(got), err, want)
		}
	}
	for _, line := range []string{"a ]", "a | b", ")", "[a"} {
		if got, err := parseSyntax(line); err == nil {
			t.Errorf("%q is taken for %q", line, plainSyntax(got))
		}
	}
	for name := range syntaxOf {
		if byFullName[name] == nil {
			t.Errorf("%s has arguments and is no command", name)
		}
	}
}
