package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/kv/fsm"
	"raftkv/kv/raftlog"
)

// logLine is an entry as `dump log --json` prints it.
type logLine struct {
	Index    uint64     `json:"index"`
	Term     uint64     `json:"term"`
	Type     string     `json:"type"`
	Appended string     `json:"appended,omitempty"`
	Clock    int64      `json:"clock_ms,omitempty"`
	Bytes    int        `json:"bytes"`
	Commands [][]string `json:"commands,omitempty"`
	Servers  []string   `json:"servers,omitempty"`
	Problem  string     `json:"problem,omitempty"`
}

func dumpLog(path string, out printer) error {
	return raftlog.Inspect(path, func(log *raft.Log) error {
		line := describeEntry(log)
		if out.json {
			return json.NewEncoder(out.w).Encode(line)
		}
		_, err := fmt.Fprintln(out.w, line.text())
		return err
	})
}

func describeEntry(log *raft.Log) logLine {
	line := logLine{Index: log.Index, Term: log.Term, Type: strings.ToLower(strings.TrimPrefix(log.Type.String(), "Log")), Bytes: len(log.Data)}
	if !log.AppendedAt.IsZero() {
		line.Appended = log.AppendedAt.UTC().Format(time.RFC3339Nano)
	}
	switch log.Type {
	case raft.LogConfiguration:
		line.Servers = servers(log.Data)
	case raft.LogCommand:
		entry, err := fsm.DecodeEntry(log.Data)
		if err == nil {
			line.Type, line.Clock = entry.Kind.String(), entry.Clock
			err = fsm.EachCommand(entry.Payload, func(args [][]byte) {
				words := make([]string, len(args))
				for i, a := range args {
					words[i] = string(a)
				}
				line.Commands = append(line.Commands, words)
			})
		}
		if err != nil {
			line.Problem = err.Error()
		}
	}
	return line
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

// shownWord bounds an argument in text output.
const shownWord = 64

func (l logLine) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d term %d %s, %d bytes", l.Index, l.Term, l.Type, l.Bytes)
	if l.Clock != 0 {
		fmt.Fprintf(&b, ", clock %s", time.UnixMilli(l.Clock).UTC().Format("2006-01-02T15:04:05.000Z"))
	}
	for _, s := range l.Servers {
		fmt.Fprintf(&b, "\n    %s", s)
	}
	for _, c := range l.Commands {
		b.WriteString("\n   ")
		for _, w := range c {
			b.WriteByte(' ')
			b.WriteString(shown(w))
		}
	}
	if l.Problem != "" {
		fmt.Fprintf(&b, "\n    %s", l.Problem)
	}
	return b.String()
}

// shown quotes a word if it needs it and cuts it if it is long.
func shown(w string) string {
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
