package command

import (
	"slices"
	"strings"
)

// row is a command as the table below writes it: flags as words, keys as first, last,
// step. What containers hold is in subcommands.go, what arguments are in syntax.go.
type row struct {
	name    string
	arity   int
	flags   string
	keys    [3]int
	group   string
	since   string
	summary string
	exec    Exec
}

var (
	oneKey   = [3]int{1, 1, 1}
	allKeys  = [3]int{1, -1, 1}
	twoKeys  = [3]int{1, 2, 1}
	pairKeys = [3]int{1, -1, 2}
	subKey   = [3]int{2, 2, 1}
	noKeys   = [3]int{}
)

// rows is the one list of all commands: what is not here does not exist.
var rows = []row{
	// Strings.
	{"append", 3, "write denyoom fast", oneKey, "string", "2.0.0", "Appends a string to the value of a key. Creates the key if it doesn't exist.", appendValue},
	{"decr", 2, "write denyoom fast", oneKey, "string", "1.0.0", "Decrements the integer value of a key by one. Uses 0 as initial value if the key doesn't exist.", decr},
	{"decrby", 3, "write denyoom fast", oneKey, "string", "1.0.0", "Decrements a number from the integer value of a key. Uses 0 as initial value if the key doesn't exist.", decrBy},
	{"delifeq", 3, "write fast", oneKey, "string", "9.0.0", "Deletes a key if its value equals the given one.", delIfEqual},
	{"get", 2, "readonly fast", oneKey, "string", "1.0.0", "Returns the string value of a key.", get},
	{"getdel", 2, "write fast", oneKey, "string", "6.2.0", "Returns the string value of a key after deleting the key.", getDel},
	{"getex", -2, "write fast", oneKey, "string", "6.2.0", "Returns the string value of a key after setting its expiration time.", getEx},
	{"getrange", 4, "readonly", oneKey, "string", "2.4.0", "Returns a substring of the string stored at a key.", getRange},
	{"getset", 3, "write denyoom fast", oneKey, "string", "1.0.0", "Returns the previous string value of a key after setting it to a new value.", getSet},
	{"incr", 2, "write denyoom fast", oneKey, "string", "1.0.0", "Increments the integer value of a key by one. Uses 0 as initial value if the key doesn't exist.", incr},
	{"incrby", 3, "write denyoom fast", oneKey, "string", "1.0.0", "Increments the integer value of a key by a number. Uses 0 as initial value if the key doesn't exist.", incrBy},
	{"incrbyfloat", 3, "write denyoom fast", oneKey, "string", "2.6.0", "Increment the floating point value of a key by a number. Uses 0 as initial value if the key doesn't exist.", incrByFloat},
	{"lcs", -3, "readonly", twoKeys, "string", "7.0.0", "Finds the longest common substring.", lcs},
	{"mget", -2, "readonly fast", allKeys, "string", "1.0.0", "Atomically returns the string values of one or more keys.", mget},
	{"mset", -3, "write denyoom", pairKeys, "string", "1.0.1", "Atomically creates or modifies the string values of one or more keys.", mset},
	{"msetnx", -3, "write denyoom", pairKeys, "string", "1.0.1", "Atomically modifies the string values of one or more keys only when all keys don't exist.", msetNX},
	{"psetex", 4, "write denyoom", oneKey, "string", "2.6.0", "Sets both string value and expiration time in milliseconds of a key. The key is created if it doesn't exist.", psetEx},
	{"set", -3, "write denyoom", oneKey, "string", "1.0.0", "Sets the string value of a key, ignoring its type. The key is created if it doesn't exist.", set},
	{"setex", 4, "write denyoom", oneKey, "string", "2.0.0", "Sets the string value and expiration time of a key. Creates the key if it doesn't exist.", setEx},
	{"setnx", 3, "write denyoom fast", oneKey, "string", "1.0.0", "Set the string value of a key only when the key doesn't exist.", setNX},
	{"setrange", 4, "write denyoom", oneKey, "string", "2.2.0", "Overwrites a part of a string value with another by an offset. Creates the key if it doesn't exist.", setRange},
	{"strlen", 2, "readonly fast", oneKey, "string", "2.2.0", "Returns the length of a string value.", strLen},
	{"substr", 4, "readonly", oneKey, "string", "1.0.0", "Returns a substring from a string value.", getRange},

	// Keys of any type.
	{"copy", -3, "write denyoom", twoKeys, "generic", "6.2.0", "Copies the value of a key to a new key.", copyKey},
	{"del", -2, "write", allKeys, "generic", "1.0.0", "Deletes one or more keys.", del},
	{"exists", -2, "readonly fast", allKeys, "generic", "1.0.0", "Determines whether one or more keys exist.", exists},
	{"expire", -3, "write fast", oneKey, "generic", "1.0.0", "Sets the expiration time of a key in seconds.", expire},
	{"expireat", -3, "write fast", oneKey, "generic", "1.2.0", "Sets the expiration time of a key to a Unix timestamp.", expireAt},
	{"expiretime", 2, "readonly fast", oneKey, "generic", "7.0.0", "Returns the expiration time of a key as a Unix timestamp.", expireTime},
	{"keys", 2, "readonly", noKeys, "generic", "1.0.0", "Returns all key names that match a pattern.", keys},
	{"memory", -2, "", noKeys, "server", "4.0.0", "A container for memory diagnostics commands.", nil},
	{"object", -2, "", noKeys, "generic", "2.2.3", "A container for object introspection commands.", nil},
	{"persist", 2, "write fast", oneKey, "generic", "2.2.0", "Removes the expiration time of a key.", persist},
	{"pexpire", -3, "write fast", oneKey, "generic", "2.6.0", "Sets the expiration time of a key in milliseconds.", pExpire},
	{"pexpireat", -3, "write fast", oneKey, "generic", "2.6.0", "Sets the expiration time of a key to a Unix milliseconds timestamp.", pExpireAt},
	{"pexpiretime", 2, "readonly fast", oneKey, "generic", "7.0.0", "Returns the expiration time of a key as a Unix milliseconds timestamp.", pExpireTime},
	{"pttl", 2, "readonly fast", oneKey, "generic", "2.6.0", "Returns the expiration time in milliseconds of a key.", pTTL},
	{"randomkey", 1, "readonly", noKeys, "generic", "1.0.0", "Returns a random key name from the database.", randomKey},
	{"rename", 3, "write", twoKeys, "generic", "1.0.0", "Renames a key and overwrites the destination.", rename},
	{"renamenx", 3, "write fast", twoKeys, "generic", "1.0.0", "Renames a key only when the target key name doesn't exist.", renameNX},
	{"scan", -2, "readonly", noKeys, "generic", "2.8.0", "Iterates over the key names in the database.", scan},
	{"touch", -2, "readonly fast", allKeys, "generic", "3.2.1", "Returns the number of existing keys out of those specified after updating the time they were last accessed.", exists},
	{"ttl", 2, "readonly fast", oneKey, "generic", "1.0.0", "Returns the expiration time in seconds of a key.", ttl},
	{"type", 2, "readonly fast", oneKey, "generic", "1.0.0", "Determines the type of value stored at a key.", typeOf},
	{"unlink", -2, "write fast", allKeys, "generic", "4.0.0", "Asynchronously deletes one or more keys.", del},
	{"dbsize", 1, "readonly fast", noKeys, "server", "1.0.0", "Returns the number of keys in the database.", dbSize},
	{"flushall", -1, "write", noKeys, "server", "1.0.0", "Removes all keys from all databases.", flush},
	{"flushdb", -1, "write", noKeys, "server", "1.0.0", "Remove all keys from the current database.", flush},

	// Transactions and sessions.
	{"discard", 1, "noscript loading stale fast allow_busy", noKeys, "transactions", "2.0.0", "Discards a transaction.", nil},
	{"exec", 1, "noscript loading stale skip_slowlog", noKeys, "transactions", "1.2.0", "Executes all commands in a transaction.", nil},
	{"multi", 1, "noscript loading stale fast allow_busy", noKeys, "transactions", "1.2.0", "Starts a transaction.", nil},
	{"unwatch", 1, "noscript loading stale fast allow_busy", noKeys, "transactions", "2.2.0", "Forgets about watched keys of a transaction.", nil},
	{"watch", -2, "noscript loading stale fast allow_busy", allKeys, "transactions", "2.2.0", "Monitors changes to keys to determine the execution of a transaction.", nil},
	{"raftkv.once", -5, "write denyoom", oneKey, "transactions", "7.2.0", "Executes a command at most once for a client id and sequence number and repeats its first reply.", nil},

	// Connections.
	{"auth", -2, "noscript loading stale fast no_auth allow_busy", noKeys, "connection", "1.0.0", "Authenticates the connection.", nil},
	{"client", -2, "", noKeys, "connection", "2.4.0", "A container for client connection commands.", nil},
	{"echo", 2, "loading stale fast", noKeys, "connection", "1.0.0", "Returns the given string.", nil},
	{"hello", -1, "noscript loading stale fast no_auth allow_busy", noKeys, "connection", "6.0.0", "Handshakes with the Redis server.", nil},
	{"ping", -1, "fast", noKeys, "connection", "1.0.0", "Returns the server's liveliness response.", nil},
	{"quit", -1, "noscript loading stale fast no_auth allow_busy", noKeys, "connection", "1.0.0", "Closes the connection.", nil},
	{"reset", 1, "noscript loading stale fast no_auth allow_busy", noKeys, "connection", "6.2.0", "Resets the connection.", nil},
	{"select", 2, "loading stale fast", noKeys, "connection", "1.0.0", "Changes the selected database.", nil},

	// The cluster.
	{"asking", 1, "fast", noKeys, "cluster", "3.0.0", "Signals that a cluster client is following an -ASK redirect.", nil},
	{"cluster", -2, "", noKeys, "cluster", "3.0.0", "A container for Redis Cluster commands.", nil},
	{"readonly", 1, "loading stale fast", noKeys, "cluster", "3.0.0", "Enables read-only queries for a connection to a replica node.", nil},
	{"readwrite", 1, "loading stale fast", noKeys, "cluster", "3.0.0", "Enables read-write queries for a connection to a replica node.", nil},

	// The server.
	{"command", -1, "loading stale", noKeys, "server", "2.8.13", "Returns detailed information about all commands.", nil},
	{"config", -2, "", noKeys, "server", "2.0.0", "A container for server configuration commands.", nil},
	{"debug", -2, "admin noscript loading stale", noKeys, "server", "1.0.0", "A container for debugging commands.", nil},
	{"function", -2, "", noKeys, "scripting", "7.0.0", "A container for function commands.", nil},
	{"info", -1, "loading stale", noKeys, "server", "1.0.0", "Returns information and statistics about the server.", nil},
	{"lastsave", 1, "loading stale fast", noKeys, "server", "1.0.0", "Returns the Unix timestamp of the last successful save to disk.", nil},
	{"latency", -2, "", noKeys, "server", "2.8.13", "A container for latency diagnostics commands.", nil},
	{"lolwut", -1, "readonly fast", noKeys, "server", "5.0.0", "Displays computer art and the Redis version.", nil},
	{"module", -2, "", noKeys, "server", "4.0.0", "A container for module commands.", nil},
	{"raftkv.fault", -2, "admin noscript loading stale", noKeys, "server", "7.2.0", "Breaks the cluster on purpose: a fault such as CUT n1 n2 FOR 10s, LIST, or HEAL [id].", nil},
	{"role", 1, "noscript loading stale fast", noKeys, "server", "2.8.12", "Returns the replication role.", nil},
	{"slowlog", -2, "", noKeys, "server", "2.2.12", "A container for slow log commands.", nil},
	{"time", 1, "loading stale fast", noKeys, "server", "2.6.0", "Returns the server time.", nil},
	{"wait", 3, "blocking", noKeys, "generic", "3.0.0", "Blocks until the asynchronous replication of all preceding write commands sent by the connection is completed.", nil},
}

// categoriesOf are the ACL categories of commands by group.
var categoriesOf = map[string]string{
	"string":       "@string",
	"generic":      "@keyspace",
	"connection":   "@connection",
	"transactions": "@transaction",
	"scripting":    "@scripting",
}

// otherCategories are those of commands that are not of their group's, as in Redis.
var otherCategories = map[string]string{
	"asking":    "@connection",
	"command":   "@connection",
	"dbsize":    "@keyspace",
	"flushall":  "@keyspace @dangerous",
	"flushdb":   "@keyspace @dangerous",
	"info":      "@dangerous",
	"keys":      "@keyspace @dangerous",
	"lastsave":  "@admin @dangerous",
	"readonly":  "@connection",
	"readwrite": "@connection",
	"role":      "@admin @dangerous",
	"wait":      "@connection",
}

// tipsOf are the command tips, as in Redis: they tell clients which nodes to ask and
// what to make of the answers. MSETNX has none: in parts it would not be atomic.
var tipsOf = map[string]string{
	"client|info":           "nondeterministic_output",
	"client|list":           "nondeterministic_output",
	"cluster|getkeysinslot": "nondeterministic_output",
	"cluster|info":          "nondeterministic_output",
	"cluster|links":         "nondeterministic_output",
	"cluster|nodes":         "nondeterministic_output",
	"cluster|replicas":      "nondeterministic_output",
	"cluster|shards":        "nondeterministic_output",
	"cluster|slaves":        "nondeterministic_output",
	"cluster|slots":         "nondeterministic_output",
	"command":               "nondeterministic_output_order",
	"command|docs":          "nondeterministic_output_order",
	"command|info":          "nondeterministic_output_order",
	"command|list":          "nondeterministic_output_order",
	"config|set":            "request_policy:all_nodes response_policy:all_succeeded",
	"dbsize":                "request_policy:all_shards response_policy:agg_sum",
	"del":                   "request_policy:multi_shard response_policy:agg_sum",
	"exists":                "request_policy:multi_shard response_policy:agg_sum",
	"flushall":              "request_policy:all_shards response_policy:all_succeeded",
	"flushdb":               "request_policy:all_shards response_policy:all_succeeded",
	"function|flush":        "request_policy:all_shards response_policy:all_succeeded",
	"function|list":         "nondeterministic_output_order",
	"info":                  "nondeterministic_output request_policy:all_shards response_policy:special",
	"keys":                  "request_policy:all_shards nondeterministic_output_order",
	"lastsave":              "nondeterministic_output",
	"latency|history":       "nondeterministic_output request_policy:all_nodes response_policy:special",
	"latency|latest":        "nondeterministic_output request_policy:all_nodes response_policy:special",
	"latency|reset":         "request_policy:all_nodes response_policy:all_succeeded",
	"memory|doctor":         "nondeterministic_output request_policy:all_shards response_policy:special",
	"memory|malloc-stats":   "nondeterministic_output request_policy:all_shards response_policy:special",
	"memory|purge":          "request_policy:all_shards response_policy:all_succeeded",
	"memory|stats":          "nondeterministic_output request_policy:all_shards response_policy:special",
	"mget":                  "request_policy:multi_shard",
	"module|list":           "nondeterministic_output_order",
	"mset":                  "request_policy:multi_shard response_policy:all_succeeded",
	"object|encoding":       "nondeterministic_output",
	"object|freq":           "nondeterministic_output",
	"object|idletime":       "nondeterministic_output",
	"object|refcount":       "nondeterministic_output",
	"ping":                  "request_policy:all_shards response_policy:all_succeeded",
	"pttl":                  "nondeterministic_output",
	"randomkey":             "request_policy:all_shards nondeterministic_output",
	"scan":                  "nondeterministic_output request_policy:special",
	"slowlog|get":           "request_policy:all_nodes nondeterministic_output",
	"slowlog|len":           "request_policy:all_nodes response_policy:agg_sum nondeterministic_output",
	"slowlog|reset":         "request_policy:all_nodes response_policy:all_succeeded",
	"time":                  "nondeterministic_output",
	"touch":                 "request_policy:multi_shard response_policy:agg_sum",
	"ttl":                   "nondeterministic_output",
	"unlink":                "request_policy:multi_shard response_policy:agg_sum",
	"wait":                  "request_policy:all_shards response_policy:agg_min",
}

var (
	table      []*Spec // by name
	byName     = make(map[string]*Spec)
	byFullName = make(map[string]*Spec) // and what containers hold
)

func init() {
	for _, r := range rows {
		s := newSpec(r)
		table = append(table, s)
		byName[s.Name], byFullName[s.Name] = s, s
	}
	for _, r := range subrows {
		container, _, _ := strings.Cut(r.name, "|")
		holder := byName[container]
		r.group = holder.Group
		s := newSpec(r)
		holder.Subcommands = append(holder.Subcommands, s)
		byFullName[s.Name] = s
	}
	for _, s := range byFullName {
		s.Categories = s.categories() // a container has fewer
	}
	slices.SortFunc(table, func(a, b *Spec) int { return strings.Compare(a.Name, b.Name) })
}

func newSpec(r row) *Spec {
	s := &Spec{
		Name:     r.name,
		Arity:    r.arity,
		Flags:    strings.Fields(r.flags),
		FirstKey: r.keys[0], LastKey: r.keys[1], Step: r.keys[2],
		Group: r.group, Since: r.since, Summary: r.summary,
		Arguments: mustParseSyntax(syntaxOf[r.name]),
		Tips:      strings.Fields(tipsOf[r.name]),
		Exec:      r.exec,
	}
	s.write = slices.Contains(s.Flags, "write")
	s.denyOOM = slices.Contains(s.Flags, "denyoom")
	return s
}

// categories returns the ACL categories. A container has none of its own: those of what
// it holds count.
func (s *Spec) categories() (out []string) {
	if !s.container() {
		name, _, _ := strings.Cut(s.Name, "|")
		words, other := otherCategories[name]
		if !other {
			words = categoriesOf[s.Group]
		}
		out = strings.Fields(words)
		switch {
		case s.write:
			out = append(out, "@write")
		case slices.Contains(s.Flags, "readonly"):
			out = append(out, "@read")
		}
		if slices.Contains(s.Flags, "admin") {
			out = append(out, "@admin", "@dangerous")
		}
	}
	if slices.Contains(s.Flags, "fast") {
		return append(out, "@fast")
	}
	return append(out, "@slow")
}
