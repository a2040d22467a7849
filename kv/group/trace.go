package group

import (
	"bytes"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/kv/command"
	"raftkv/kv/eventlog"
	"raftkv/kv/fsm"
)

// namedBytes bounds the names of keys in a line of the trace.
const namedBytes = 4 << 10

// entryTrace follows the entries of a group from their proposal to their replies. It
// is used by the proposer's goroutine.
type entryTrace struct {
	trace *eventlog.Tracer
	group uint32
	next  uint64 // number of the last proposal
}

// proposed writes that an entry is handed to raft, and returns its number: only the
// reply tells its index.
func (t *entryTrace) proposed(batch []*Proposal, kind fsm.EntryKind, commands, size int) uint64 {
	t.next++
	line := t.trace.Line(eventlog.TopicCommit, "proposed", eventlog.Place{Group: t.group})
	if line == nil {
		return t.next
	}
	oldest := time.Now()
	for _, p := range batch {
		if !p.queuedAt.IsZero() && p.queuedAt.Before(oldest) {
			oldest = p.queuedAt
		}
	}
	keys, sessions, more := names(batch, kind)
	line.Uint("proposal", t.next).Text("kind", kind.String()).Uint("commands", uint64(commands)).Uint("bytes", uint64(size)).
		Took("waited", time.Since(oldest)).Text("keys", keys).Text("sessions", sessions)
	if more > 0 {
		line.Uint("more", uint64(more))
	}
	line.Write()
	return t.next
}

// answered writes what became of a proposal, before its clients are told: response is
// what the state machine made of it.
func (t *entryTrace) answered(number uint64, start time.Time, response any, failure error) {
	at := eventlog.Place{Group: t.group}
	if result, ok := response.(*fsm.Result); ok {
		at.Term, at.Index = result.Term, result.Index
	}
	line := t.trace.Line(eventlog.TopicCommit, "answered", at).Uint("proposal", number).Took("took", time.Since(start))
	if failure != nil {
		line.Text("error", failure.Error())
	}
	line.Write()
}

// names lists the keys and the sessions of a batch, and tells how many commands are
// left out for want of room.
func names(batch []*Proposal, kind fsm.EntryKind) (keys, sessions string, more int) {
	if kind != fsm.Commands {
		return "", "", 0
	}
	var keyText, sessionText []byte
	var found [][]byte
	for _, p := range batch {
		// What does not decode is refused when it is applied, not here.
		_ = fsm.EachCommand(p.Commands, func(args [][]byte) {
			if len(keyText)+len(sessionText) > namedBytes {
				more++
				return
			}
			spec := command.Lookup(args[0])
			if spec == nil {
				return
			}
			if spec.Name == "raftkv.once" && len(args) > 3 {
				sessionText = appendName(sessionText, args[2])
			}
			found = spec.AppendKeys(found[:0], args)
			for _, key := range found {
				keyText = appendName(keyText, key)
			}
		})
	}
	return string(keyText), string(sessionText), more
}

// appendName adds a name to a list with spaces between.
func appendName(list, name []byte) []byte {
	if len(list) > 0 {
		list = append(list, ' ')
	}
	return append(list, spaceless(name[:min(len(name), 256)])...)
}

// traceStored writes that entries are on this replica's disk.
func (g *Group) traceStored(logs []*raft.Log, took time.Duration) {
	last := logs[len(logs)-1]
	g.config.Trace.Line(eventlog.TopicStore, "stored", eventlog.Place{Group: g.config.ID, Term: last.Term, Index: last.Index}).
		Uint("entries", uint64(len(logs))).Took("took", took).Write()
}

// traceApplied writes that entries are committed and applied: raft hands them over
// when it knows of their commit, then they may have to wait for this replica's disk.
func (g *Group) traceApplied(logs []*raft.Log, waited, took time.Duration) {
	last := logs[len(logs)-1]
	g.config.Trace.Line(eventlog.TopicCommit, "applied", eventlog.Place{Group: g.config.ID, Term: last.Term, Index: last.Index}).
		Uint("entries", uint64(len(logs))).Took("waited", waited).Took("took", took).Write()
}

// spaceless returns a name that can stand in a list: with _ for its spaces.
func spaceless(name []byte) []byte {
	if bytes.IndexByte(name, ' ') < 0 {
		return name
	}
	return bytes.ReplaceAll(name, []byte(" "), []byte("_"))
}
