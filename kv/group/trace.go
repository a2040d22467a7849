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
	index uint64 // of the last entry whose answer told it
	told  bool   // of the last proposal
}

// proposing is an entry that is handed to raft.
type proposing struct {
	batch          []*Proposal
	kind           fsm.EntryKind
	commands, size int
	start          time.Time
}

// proposed writes that an entry is handed to raft. Only the reply tells its index, but
// it will most likely be the next one.
func (t *entryTrace) proposed(p proposing) {
	t.next++
	t.told = t.trace.Follows(eventlog.TopicCommit, t.index+1, 1)
	if t.told {
		t.tell(p, time.Time{}, false)
	}
}

// tell writes of the last proposal, which was made now or at a time. The keys of one
// that failed are always named: somebody will ask what became of them.
func (t *entryTrace) tell(p proposing, at time.Time, failed bool) {
	line := t.trace.Line(eventlog.TopicCommit, "proposed", eventlog.Place{Group: t.group}).At(at)
	if line == nil {
		return
	}
	oldest := p.start
	for _, p := range p.batch {
		if !p.queuedAt.IsZero() && p.queuedAt.Before(oldest) {
			oldest = p.queuedAt
		}
	}
	keys, sessions, more := "", "", p.commands
	if failed || t.trace.Affords(p.commands) {
		keys, sessions, more = names(p.batch, p.kind)
	}
	line.Uint("proposal", t.next).Text("kind", p.kind.String()).Uint("commands", uint64(p.commands)).Uint("bytes", uint64(p.size)).
		Took("waited", p.start.Sub(oldest)).Text("keys", keys).Text("sessions", sessions)
	if more > 0 {
		line.Uint("more", uint64(more))
	}
	line.Write()
}

// answered writes what became of the last proposal, before its clients are told:
// response is what the state machine made of it. If the proposal was not told of and
// is worth it after all, it comes first.
func (t *entryTrace) answered(p proposing, response any, failure error) {
	at, took := eventlog.Place{Group: t.group}, time.Since(p.start)
	if result, ok := response.(*fsm.Result); ok {
		at.Term, at.Index = result.Term, result.Index
		t.index = result.Index
	}
	if !t.told {
		if failure == nil && took < eventlog.TraceSlow && !t.trace.Follows(eventlog.TopicCommit, at.Index, 1) {
			return
		}
		t.tell(p, p.start, failure != nil)
	}
	line := t.trace.Line(eventlog.TopicCommit, "answered", at).Uint("proposal", t.next).Took("took", took)
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
	if took < eventlog.TraceSlow && !g.config.Trace.Follows(eventlog.TopicStore, last.Index, len(logs)) {
		return
	}
	g.config.Trace.Line(eventlog.TopicStore, "stored", eventlog.Place{Group: g.config.ID, Term: last.Term, Index: last.Index}).
		Uint("entries", uint64(len(logs))).Took("took", took).Write()
}

// traceApplied writes that entries are committed and applied: raft hands them over
// when it knows of their commit, then they may have to wait for this replica's disk.
func (g *Group) traceApplied(logs []*raft.Log, waited, took time.Duration) {
	last := logs[len(logs)-1]
	if waited+took < eventlog.TraceSlow && !g.config.Trace.Follows(eventlog.TopicCommit, last.Index, len(logs)) {
		return
	}
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
