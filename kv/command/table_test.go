package command

import (
	"bufio"
	"bytes"
	"slices"
	"testing"

	"raftkv/kv"
	"raftkv/kv/resp"
)

// extensions are commands that redis-server 7.0 does not have.
var extensions = []string{"delifeq", "raftkv.fault", "raftkv.once"}

// newSubcommands came to Redis after 7.0.
var newSubcommands = []string{"client|no-touch", "client|setinfo", "cluster|myshardid", "cluster|slot-stats"}

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
		if len(reply.Elems) != 1 || len(reply.Elems[0].Elems) < 7 {
			t.Errorf("%s: redis-server does not have it: %v", spec.Name, reply)
			continue
		}
		theirs, ours := reply.Elems[0].Elems, InfoReply(spec).Elems
		for i, what := range []string{"name", "arity", "flags", "first key", "last key", "step", "", "tips"} {
			if what == "" || what == "tips" && spec.Name == "msetnx" {
				continue
			}
			if what == "flags" && spec.Exec == nil {
				continue // commands of the connection need not be allowed in the same states
			}
			if a, b := ordered(ours[i]), ordered(theirs[i]); a != b {
				t.Errorf("%s: %s is %s, in redis-server %s", spec.Name, what, a, b)
			}
		}
		arity := make(map[string]int64)
		for _, sub := range theirs[9].Elems {
			arity[string(sub.Elems[0].Str)] = sub.Elems[1].Int
		}
		for _, sub := range spec.Subcommands {
			name := spec.Name + "|" + sub.Name
			if want, there := arity[name]; there && want != int64(sub.Arity) && name != "command|getkeys" { // 7.2 takes one argument less
				t.Errorf("%s: arity is %d, in redis-server %d", name, sub.Arity, want)
			} else if !there && !slices.Contains(newSubcommands, name) {
				t.Errorf("%s: redis-server does not have it", name)
			}
		}
	}
}

// ordered shows a reply as text, sets in order.
func ordered(r kv.Reply) string {
	slices.SortFunc(r.Elems, func(a, b kv.Reply) int { return bytes.Compare(a.Str, b.Str) })
	return r.String()
}
