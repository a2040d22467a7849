// Package reign reads out of logs who led which group when, and what they prove of
// why that changed. It understands raftkv's lines and those of any program that logs
// what hashicorp/raft says.
package reign

import (
	"time"

	"raftkv/cmd/logfilter/event"
)

// Reign is the time in which a node led a group.
type Reign struct {
	Group uint64
	Node  string
	Term  uint64 // 0: no line tells it
	From  int64  // ns since 1970
	// To is when it ended: when the node said so, or its log ended, or it did not run
	// any more, or another one led in its place. Ended is false for one that lasts to
	// the end of the logs.
	To    int64
	Ended bool
	// Late is when a node that did not know of its end has learned of it; 0 if it did.
	Late int64
	said bool // the node itself said that it leads no more

	// Cause is why the one before it ended, in a few words; Proof are the lines that
	// say so.
	Cause string
	Proof []Evidence
}

// Evidence is what a line of a log proves; without a node it is what follows from
// several.
type Evidence struct {
	Time int64
	Node string
	Text string
}

// Group is the story of one group.
type Group struct {
	ID     uint64
	Reigns []Reign
	// Without is how long nobody led between the first and the last reign.
	Without time.Duration
}

// What raft and raftkv say, without what varies.
const (
	sayLeads     = "entering leader state"
	sayFollows   = "entering follower state"
	sayCandidate = "entering candidate state"
	sayWon       = "election won"
	sayServes    = "serving as leader"
	saySteps     = "failed to contact quorum of nodes, stepping down"
	sayTimeout   = "heartbeat timeout reached, starting election"
	sayHands     = "handing leadership over"
	sayTransfer  = "starting leadership transfer"
	sayStarting  = "starting"
	sayStopped   = "stopped"
	sayStalled   = "the process did not run"
	sayFails     = "the replica stops"
	sayFault     = "a fault begins"
	sayFaultEnds = "a fault ends"
)

// replicaKey names a replica: raft's state is one of each.
type replicaKey struct {
	node  string
	group uint64
}

// process is one life of a node's process, as its log shows it.
type process struct {
	from, last int64
	stopped    bool // in order
	// hole is the last time in which it wrote nothing for a while.
	holeFrom, holeTo int64
}

// fault is one that was injected on purpose.
type fault struct {
	id, text string
	from, to int64 // to is 0 while it lasts
	told     []string
}

// stall is a time in which a process did not run.
type stall struct {
	node     string
	from, to int64
	said     int64 // when its line was written
}

// Reader collects what lines tell. Feed it in the order of time, then call Groups.
type Reader struct {
	first, last int64
	begun       bool
	terms       map[replicaKey]uint64 // of the last election
	open        map[replicaKey]int    // index in reigns of what has not ended
	reigns      []Reign
	lives       map[string][]process
	faults      []*fault
	stalls      []stall
	signs       map[uint64][]sign // by group
}

// sign is a line that may prove why leadership has changed.
type sign struct {
	Evidence
	what string
	of   string // the leader that it is about, if it is another node's line
}

// NewReader returns a reader that has read nothing.
func NewReader() *Reader {
	return &Reader{
		terms: make(map[replicaKey]uint64), open: make(map[replicaKey]int), lives: make(map[string][]process), signs: make(map[uint64][]sign),
	}
}

// Span returns the times of the first and the last line.
func (r *Reader) Span() (first, last int64) { return r.first, r.last }

// text returns an attribute of e, or "".
func text(e *event.Event, name string) string {
	v, _ := e.Attr(name)
	return v.Text
}
