package command

import (
	"strings"

	"raftkv/kv"
)

// keyAccess is what commands do with their keys, in Redis's words, where it is not "RO
// access" for those that read. RO, RW, OW (overwrites) and RM (removes) speak of the key as
// such, the others of what the user has in it. Behind a semicolon: the second key.
var keyAccess = map[string]string{
	"append":      "RW insert",
	"copy":        "RO access; OW update",
	"decr":        "RW access update",
	"decrby":      "RW access update",
	"del":         "RM delete",
	"delifeq":     "RW access delete",
	"exists":      "RO",
	"expire":      "RW update",
	"expireat":    "RW update",
	"getdel":      "RW access delete",
	"getex":       "RW access update",
	"getset":      "RW access update",
	"incr":        "RW access update",
	"incrby":      "RW access update",
	"incrbyfloat": "RW access update",
	"memory":      "RO",
	"mset":        "OW update",
	"msetnx":      "OW insert",
	"object":      "RO",
	"persist":     "RW update",
	"pexpire":     "RW update",
	"pexpireat":   "RW update",
	"psetex":      "OW update",
	"raftkv.once": "RW access update variable_flags",
	"rename":      "RW access delete; OW update",
	"renamenx":    "RW access delete; OW insert",
	"set":         "RW access update variable_flags",
	"setex":       "OW update",
	"setnx":       "OW insert",
	"setrange":    "RW update",
	"strlen":      "RO",
	"touch":       "RO",
	"type":        "RO",
	"unlink":      "RM delete",
	"watch":       "RO",
}

// keySpecs says where the keys stand, and what becomes of them, in the form that newer
// clients prefer.
func (s *Spec) keySpecs() kv.Reply {
	out := kv.ArrayReply()
	if s.FirstKey == 0 {
		return out
	}
	name, _, _ := strings.Cut(s.Name, "|")
	access, ok := keyAccess[name]
	if !ok {
		access = "RO access"
	}
	parts := strings.Split(access, ";")
	last := s.LastKey
	switch {
	case len(parts) > 1:
		last = 0 // one specification a key
	case last > 0:
		last -= s.FirstKey // counted from the first key, unless from the end
	}
	for i, flags := range parts {
		out.Elems = append(out.Elems, kv.Reply{Kind: kv.Map, Elems: []kv.Reply{
			kv.BulkString("flags"), words(strings.Fields(flags)),
			kv.BulkString("begin_search"), {Kind: kv.Map, Elems: []kv.Reply{
				kv.BulkString("type"), kv.BulkString("index"),
				kv.BulkString("spec"), {Kind: kv.Map, Elems: []kv.Reply{kv.BulkString("index"), kv.IntReply(int64(s.FirstKey + i*s.Step))}},
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
	return out
}
