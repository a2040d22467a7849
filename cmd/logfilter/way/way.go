// Package way follows one command through the cluster by what the nodes' traces
// tell: from its proposal over the appends to each node and their disks to its
// commit, to those who apply it, and to its reply.
package way

import (
	"strconv"
	"strings"
	"time"

	"raftkv/cmd/logfilter/event"
	"raftkv/kv/eventlog"
)

// Entry is the raft entry that carried a command.
type Entry struct {
	Group    uint64
	Node     string // that has proposed it
	Proposal uint64 // its number there; 0 if it is not known

	// Term and Index are 0 if nothing tells them.
	Term, Index uint64

	// Queued is when the oldest command in it came, Proposed when the entry went to
	// raft, Answered when its clients were told; ns since 1970, 0 if not known.
	Queued, Proposed, Answered int64
	Failure                    string // what the clients were told instead of a result
	Commands, Bytes            uint64
	Keys                       []string
	More                       uint64 // commands whose keys the trace left out
}

// Leg is a part of the way.
type Leg struct {
	Node     string
	What     string
	From, To int64 // the same for a moment
	Note     string
}

// number returns a numeric attribute, or 0.
func number(e *event.Event, name string) uint64 {
	v, _ := e.Attr(name)
	n, _ := strconv.ParseUint(v.Text, 10, 64)
	return n
}

func text(e *event.Event, name string) string {
	v, _ := e.Attr(name)
	return strings.Clone(v.Text)
}

func span(e *event.Event, name string) int64 {
	v, _ := e.Attr(name)
	d, _ := time.ParseDuration(v.Text)
	return int64(d)
}

// proposed reads a line that tells of a proposal.
func proposed(e *event.Event) Entry {
	return Entry{
		Group: e.Group.Value, Node: e.Node, Proposal: number(e, "proposal"),
		Queued: e.Time - span(e, "waited"), Proposed: e.Time, Commands: number(e, "commands"), Bytes: number(e, "bytes"),
		Keys: strings.Fields(text(e, "keys")), More: number(e, "more"),
	}
}

const (
	sayProposed = "proposed"
	sayAnswered = "answered"
	sayStored   = "stored"
	sayApplied  = "applied"
)

func isProposal(e *event.Event) bool { return e.Topic == eventlog.TopicCommit && e.Msg == sayProposed }
func isAnswer(e *event.Event) bool   { return e.Topic == eventlog.TopicCommit && e.Msg == sayAnswered }
