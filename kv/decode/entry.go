// Package decode shows what raft's logs and snapshots hold, to people and as
// JSON: of nodes that run or are stopped, whole or damaged.
package decode

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/kv/command"
	"raftkv/kv/fsm"
	"raftkv/kv/raftlog"
)

// Entry is a raft entry as it is shown.
type Entry struct {
	Index    uint64     `json:"index"`
	Term     uint64     `json:"term"`
	Type     string     `json:"type"`
	Appended string     `json:"appended,omitempty"` // by its first leader; RFC 3339, UTC
	Clock    int64      `json:"clock_ms,omitempty"` // the leader's, since 1970
	Bytes    int        `json:"bytes"`
	Commands [][]string `json:"commands,omitempty"`
	Servers  []string   `json:"servers,omitempty"`
	Problem  string     `json:"problem,omitempty"` // why it does not decode, or not to its end
}

// Log calls fn for the entries at path in order, those of a running node too.
// path is a group's folder, its wal folder, a segment (.wal) or a boltdb file.
// data is the entry as raft stores it; fn may keep both.
func Log(path string, fn func(e Entry, data []byte) error) error {
	return raftlog.Inspect(path, func(log *raft.Log) error { return fn(newEntry(log), log.Data) })
}

func newEntry(log *raft.Log) Entry {
	e := Entry{Index: log.Index, Term: log.Term, Type: strings.ToLower(strings.TrimPrefix(log.Type.String(), "Log")), Bytes: len(log.Data)}
	if !log.AppendedAt.IsZero() {
		e.Appended = log.AppendedAt.UTC().Format(time.RFC3339Nano)
	}
	switch log.Type {
	case raft.LogConfiguration:
		e.Servers = servers(log.Data)
	case raft.LogCommand:
		entry, err := fsm.DecodeEntry(log.Data)
		if err == nil {
			e.Type, e.Clock = entry.Kind.String(), entry.Clock
			err = fsm.EachCommand(entry.Payload, func(args [][]byte) {
				words := make([]string, len(args))
				for i, a := range args {
					words[i] = string(a)
				}
				e.Commands = append(e.Commands, words)
			})
		}
		if err != nil {
			e.Problem = err.Error()
		}
	}
	return e
}

// servers lists the members of a configuration. Raft's decoder panics on bytes
// that it did not write.
func servers(data []byte) (out []string) {
	defer func() {
		if r := recover(); r != nil {
			out = []string{fmt.Sprint("does not decode: ", r)}
		}
	}()
	for _, s := range raft.DecodeConfiguration(data).Servers {
		out = append(out, fmt.Sprintf("%s %s %s", s.ID, s.Address, strings.ToLower(s.Suffrage.String())))
	}
	return out
}

// Text is the entry for people: a line, and an indented one for each member and
// command.
func (e Entry) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d term %d %s, %d bytes", e.Index, e.Term, e.Type, e.Bytes)
	if e.Clock != 0 {
		fmt.Fprintf(&b, ", clock %s", time.UnixMilli(e.Clock).UTC().Format("2006-01-02T15:04:05.000Z"))
	}
	for _, line := range e.Details() {
		b.WriteString("\n    ")
		b.WriteString(line)
	}
	return b.String()
}

// Details are the members, the commands and the problem of an entry, a line each.
func (e Entry) Details() []string {
	lines := slices.Clone(e.Servers)
	for _, c := range e.Commands {
		words := make([]string, len(c))
		for i, w := range c {
			words[i] = Word(w)
		}
		lines = append(lines, strings.Join(words, " "))
	}
	if e.Problem != "" {
		lines = append(lines, e.Problem)
	}
	return lines
}

// Time is when the entry was made, as far as it tells, in nanoseconds since
// 1970; 0 if it does not. A clock that no nanoseconds can count is damage.
func (e Entry) Time() int64 {
	if ns := e.Clock * 1e6; ns/1e6 == e.Clock && ns != 0 {
		return ns
	}
	if at, err := time.Parse(time.RFC3339Nano, e.Appended); err == nil {
		return at.UnixNano()
	}
	return 0
}

// once is the command that carries another one in a session.
const once = "RAFTKV.ONCE"

// Session returns the client id of a command that was sent in a session.
func Session(words []string) (id string, there bool) {
	if len(words) > 4 && strings.EqualFold(words[0], once) {
		return words[2], true
	}
	return "", false
}

// Keys returns the keys that a command names. Of a command that this program
// does not know, those are none.
func Keys(words []string) []string {
	if len(words) == 0 {
		return nil
	}
	if _, there := Session(words); there {
		return Keys(words[4:])
	}
	args := make([][]byte, len(words))
	for i, w := range words {
		args[i] = []byte(w)
	}
	if strings.EqualFold(words[0], command.ExecName) {
		return execKeys(args)
	}
	return keysOf(nil, args)
}

func execKeys(args [][]byte) (keys []string) {
	watches, commands, err := command.DecodeExec(args)
	if err != nil {
		return nil
	}
	for _, w := range watches {
		keys = append(keys, string(w.Key))
	}
	for _, c := range commands {
		keys = keysOf(keys, c)
	}
	return keys
}

func keysOf(keys []string, args [][]byte) []string {
	if len(args) == 0 {
		return keys
	}
	spec := command.Lookup(args[0])
	if spec == nil {
		return keys
	}
	for _, key := range spec.AppendKeys(nil, args) {
		keys = append(keys, string(key))
	}
	return keys
}

// shownWord bounds an argument in text, in bytes.
const shownWord = 64

// Word quotes a word for people if it needs it, and cuts it if it is long.
func Word(w string) string {
	cut := ""
	if len(w) > shownWord {
		cut = fmt.Sprintf("... (%d bytes)", len(w))
		w = w[:shownWord]
	}
	if quoted := strconv.Quote(w); w == "" || len(quoted) != len(w)+2 || strings.ContainsAny(w, " ") {
		w = quoted
	}
	return w + cut
}
