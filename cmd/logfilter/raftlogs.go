package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"raftkv/cmd/logfilter/event"
	"raftkv/cmd/logfilter/filter"
	"raftkv/kv/decode"
)

// raftPath is where a raft log lies, and whose it is as far as the path tells.
type raftPath struct {
	path  string
	node  string
	group event.Number
}

// findRaftLogs lists the raft logs of clusters', nodes' and groups' folders and
// of files, by group and node.
func findRaftLogs(args []string) ([]raftPath, error) {
	var paths []raftPath
	for _, arg := range args {
		if _, err := os.Stat(arg); err != nil {
			return nil, err
		}
		var found []string
		for _, below := range []string{filepath.Join("groups", "*"), filepath.Join("*", "groups", "*")} {
			matches, err := filepath.Glob(filepath.Join(arg, below))
			if err != nil {
				return nil, err
			}
			found = append(found, matches...)
		}
		if len(found) == 0 {
			found = []string{arg}
		}
		for _, path := range found {
			if node, group := owner(path); len(found) == 1 || group.Set { // not a folder set aside
				paths = append(paths, raftPath{path, node, group})
			}
		}
	}
	slices.SortStableFunc(paths, func(a, b raftPath) int {
		return cmp.Or(cmp.Compare(a.group.Value, b.group.Value), natural(a.node, b.node))
	})
	return paths, nil
}

// owner reads the node and the group out of n1/groups/3/...
func owner(path string) (node string, group event.Number) {
	abs, err := filepath.Abs(path)
	if err != nil {
		abs = path
	}
	parts := strings.Split(abs, string(filepath.Separator))
	for i := len(parts) - 2; i > 0; i-- {
		if parts[i] == "groups" {
			n, err := strconv.ParseUint(parts[i+1], 10, 64)
			return parts[i-1], event.Number{Value: n, Set: err == nil}
		}
	}
	return filepath.Base(path), event.Number{}
}

// chosen says which groups are read and which commands of an entry are shown.
type chosen struct {
	groups                   []filter.Range
	commands, keys, sessions []string
}

func (c *chosen) group(g event.Number) bool {
	return !g.Set || len(c.groups) == 0 || slices.ContainsFunc(c.groups, func(r filter.Range) bool { return r.Has(g.Value) })
}

// any reports whether only some commands are wanted.
func (c *chosen) any() bool { return len(c.commands)+len(c.keys)+len(c.sessions) > 0 }

func (c *chosen) command(words []string) bool {
	if len(c.commands) > 0 && !slices.ContainsFunc(c.commands, func(name string) bool { return names(words, name) }) {
		return false
	}
	if len(c.keys) > 0 && !slices.ContainsFunc(decode.Keys(words), func(key string) bool { return slices.Contains(c.keys, key) }) {
		return false
	}
	if len(c.sessions) > 0 {
		id, there := decode.Session(words)
		return there && slices.Contains(c.sessions, id)
	}
	return true
}

// names reports whether a command is, or carries in a session, the named one.
func names(words []string, name string) bool {
	if len(words) == 0 {
		return false
	}
	if strings.EqualFold(words[0], name) {
		return true
	}
	if _, there := decode.Session(words); there {
		return names(words[4:], name)
	}
	return false
}

// raftLog is what a log holds, in order of indexes.
type raftLog struct {
	raftPath
	entries []raftEntry
}

// raftEntry is an entry with the bytes that raft keeps of it.
type raftEntry struct {
	decode.Entry
	data []byte
	// hidden: none of its commands was chosen.
	hidden bool
}

func readRaftLog(p raftPath, choose *chosen) (raftLog, error) {
	log := raftLog{raftPath: p}
	err := decode.Log(p.path, func(e decode.Entry, data []byte) error {
		entry := raftEntry{Entry: e, data: data}
		if choose.any() {
			all := len(e.Commands)
			entry.Commands = slices.DeleteFunc(e.Commands, func(words []string) bool { return !choose.command(words) })
			entry.hidden = len(entry.Commands) == 0
			if left := all - len(entry.Commands); left > 0 && entry.Problem == "" {
				entry.Problem = fmt.Sprintf("and %d more", left)
			}
		}
		log.entries = append(log.entries, entry)
		return nil
	})
	return log, err
}

// event shows an entry as a line of the node's log.
func (l *raftLog) event(e *raftEntry) *event.Event {
	msg := cmp.Or(strings.Join(e.Details(), "; "), "(empty)")
	return &event.Event{
		Raw: []byte(e.Text()), Time: e.Time(), HasTime: e.Time() != 0,
		Node: l.node, Topic: e.Type, Group: l.group,
		Term: event.Number{Value: e.Term, Set: true}, Index: event.Number{Value: e.Index, Set: true},
		Msg: msg, Rest: entryFields(e.Bytes),
	}
}

// entryFields are the fields of an entry that no event has: its size.
type entryFields int

// Attrs implements event.Fields.
func (n entryFields) Attrs(_ []byte, yield func(string, event.Value) bool) {
	yield("bytes", event.Value{Kind: event.Num, Text: strconv.Itoa(int(n))})
}

// eachIndex calls fn with the events of all logs that have the same group and
// index, in order. Logs are sorted by group.
func eachIndex(logs []raftLog, fn func(row []*event.Event) error) error {
	for len(logs) > 0 {
		n := 1
		for n < len(logs) && logs[n].group == logs[0].group {
			n++
		}
		at := make([]int, n)
		for {
			index, some := nextIndex(logs[:n], at)
			if !some {
				break
			}
			var row []*event.Event
			for i := range at {
				if at[i] < len(logs[i].entries) && logs[i].entries[at[i]].Index == index {
					if e := &logs[i].entries[at[i]]; !e.hidden {
						row = append(row, logs[i].event(e))
					}
					at[i]++
				}
			}
			if err := fn(row); err != nil {
				return err
			}
		}
		logs = logs[n:]
	}
	return nil
}

// nextIndex is the lowest index that is next in one of the logs.
func nextIndex(logs []raftLog, at []int) (index uint64, some bool) {
	for i := range logs {
		if at[i] < len(logs[i].entries) {
			if next := logs[i].entries[at[i]].Index; !some || next < index {
				index, some = next, true
			}
		}
	}
	return index, some
}
