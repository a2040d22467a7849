package format

import (
	"unsafe"
)

// field is a field of Event that lines give by name.
type field uint8

const (
	noField field = iota
	timeField
	levelField
	nodeField
	topicField
	groupField
	termField
	indexField
	msgField
	fieldCount
)

// FieldNames are the names of the fields of Event, as in --field and -q.
func FieldNames() []string { return fieldNames[1:] }

var fieldNames = [fieldCount]string{"", "time", "level", "node", "topic", "group", "term", "index", "msg"}

// aliases are the names that loggers give to fields; raftkv's come first.
var aliases = [fieldCount][]string{
	timeField:  {"t", "time", "ts", "timestamp", "@timestamp", "@t", "datetime", "asctime"},
	levelField: {"level", "lvl", "severity", "@level", "log.level", "levelname"},
	nodeField:  {"node", "node_id", "node-id", "nodeId", "server", "peer_id", "raft_id", "local-member-id", "replica", "host", "hostname"},
	topicField: {"topic", "component", "module", "@module", "logger", "subsystem"},
	groupField: {"group", "group_id", "gid", "shard", "range", "region", "cluster"},
	termField:  {"term", "currentTerm", "current_term", "raft_term"},
	indexField: {"index", "commit-index", "log_index", "raft_index"},
	msgField:   {"msg", "message", "@message", "event"},
}

// names says which key of a line is which field. A file has one key for a
// field, found out from its first lines: so a filter can look for that key alone
// in the bytes of the file.
type names struct {
	key   [fieldCount]string
	field map[string]field
}

// resolve chooses the keys: what the user said, else the first alias among the
// keys that were seen, else raftkv's own.
func resolve(given map[string]string, seen func(key string) bool) *names {
	n := &names{field: make(map[string]field)}
	for f := timeField; f < fieldCount; f++ {
		key, ok := given[fieldNames[f]]
		if !ok {
			key = aliases[f][0]
			for _, alias := range aliases[f] {
				if seen(alias) {
					key = alias
					break
				}
			}
		}
		n.key[f] = key
		if _, taken := n.field[key]; !taken {
			n.field[key] = f
		}
	}
	return n
}

// asString is the text of b without a copy: the lines that events are made of do
// not change.
func asString(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}
