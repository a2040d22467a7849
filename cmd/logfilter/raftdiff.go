package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// diffLogs tells for each group whether the logs of its nodes agree, and if not,
// the first index where they do not. It returns errNothing if some differ.
func diffLogs(w io.Writer, logs []raftLog) error {
	var differs error
	for len(logs) > 0 {
		n := 1
		for n < len(logs) && logs[n].group == logs[0].group {
			n++
		}
		agree, err := diffGroup(w, logs[:n])
		if err != nil {
			return err
		}
		if !agree {
			differs = errNothing
		}
		logs = logs[n:]
	}
	return differs
}

func diffGroup(w io.Writer, logs []raftLog) (agree bool, err error) {
	var text strings.Builder
	name := "the logs"
	if logs[0].group.Set {
		name = fmt.Sprintf("group %d", logs[0].group.Value)
	}
	index, differs, compared := firstDifference(logs)
	switch {
	case len(logs) == 1:
		fmt.Fprintf(&text, "%s: %s has the only log: name another to compare it with\n", name, logs[0].node)
	case differs:
		fmt.Fprintf(&text, "%s: the first difference is at index %d\n", name, index)
		for i := range logs {
			if e := logs[i].find(index); e != nil {
				fmt.Fprintf(&text, "  %s: %s\n", logs[i].node, strings.ReplaceAll(e.Text(), "\n", "\n  "))
			}
		}
	default:
		fmt.Fprintf(&text, "%s: the logs agree in all %d entries that more than one of them has\n", name, compared)
	}
	for i := range logs {
		if entries := logs[i].entries; len(entries) > 0 {
			fmt.Fprintf(&text, "  %s has %d..%d\n", logs[i].node, entries[0].Index, entries[len(entries)-1].Index)
		} else {
			fmt.Fprintf(&text, "  %s has no entries\n", logs[i].node)
		}
	}
	_, err = io.WriteString(w, text.String())
	return !differs, err
}

// firstDifference returns the lowest index at which two logs have entries that
// differ, and how many indexes more than one log has.
func firstDifference(logs []raftLog) (index uint64, differs bool, compared int) {
	at := make([]int, len(logs))
	for {
		index, some := nextIndex(logs, at)
		if !some {
			return 0, false, compared
		}
		var first *raftEntry
		shared := false
		for i := range logs {
			if at[i] == len(logs[i].entries) || logs[i].entries[at[i]].Index != index {
				continue
			}
			e := &logs[i].entries[at[i]]
			at[i]++
			if first == nil {
				first = e
				continue
			}
			shared = true
			if e.Term != first.Term || e.Type != first.Type || !bytes.Equal(e.data, first.data) {
				return index, true, compared
			}
		}
		if shared {
			compared++
		}
	}
}

func (l *raftLog) find(index uint64) *raftEntry {
	for i := range l.entries {
		if l.entries[i].Index == index {
			return &l.entries[i]
		}
	}
	return nil
}
