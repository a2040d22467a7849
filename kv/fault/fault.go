// Package fault is how a node is broken on purpose: its links to other nodes, its
// disk, its clock and its groups' leadership. A fault is a line of text (parse.go)
// that a person types, that nodes tell each other and that the log shows. Each node
// has a Set of those that are active; what can fail asks the Set, and that costs one
// atomic load while nothing is active. A node whose faults are not enabled has none.
package fault

import (
	"slices"
	"time"
)

// Kind is what a fault does.
type Kind string

// Kinds that concern what a node sends to another one, applied by the sender.
const (
	Cut       Kind = "cut"       // nothing arrives until the cut ends; with Reset, connections break
	Isolate   Kind = "isolate"   // Cut between a node and all others
	Split     Kind = "split"     // Cut between the nodes of two sides
	Ring      Kind = "ring"      // Cut between all that are not neighbours
	Flapping  Kind = "flapping"  // a Split by chance, another one each time
	Delay     Kind = "delay"     // later, in order
	Bandwidth Kind = "bandwidth" // so many bytes a second
	Drop      Kind = "drop"      // the connection breaks, by chance for each message
	Flip      Kind = "flip"      // a bit changes, by chance for each message
)

// Kinds that become one of those above when a node gets the order: by who leads, by
// who there is, by chance.
const (
	IsolateLeader Kind = "isolate-leader" // of a group
	Halves        Kind = "halves"         // the nodes in two, by chance
	Bridge        Kind = "bridge"         // two halves that one node alone sees both of
	Minority      Kind = "minority"       // a split with a group's leader on the smaller side
	Majority      Kind = "majority"       // a split with a group's leader on the larger side
)

// Kinds that concern a node's disk: what raft writes there.
const (
	SlowFsync    Kind = "slow-fsync"    // each write takes longer
	HangFsync    Kind = "hang-fsync"    // no write ends
	FailFsync    Kind = "fail-fsync"    // each write fails
	Full         Kind = "full"          // little space seems to be free
	TornWrite    Kind = "torn-write"    // the node dies in its next write, of which a part is on disk
	LostWrite    Kind = "lost-write"    // the node dies in its next write, of which nothing is on disk
	FlipLog      Kind = "flip-log"      // a bit of the log changes, at once
	FlipSnapshot Kind = "flip-snapshot" // a bit of the newest snapshot changes, at once
)

// Kinds that concern a node's clock as raftkv sees it.
const (
	Clock      Kind = "clock"       // it is wrong by so much
	ClockJumps Kind = "clock-jumps" // it is wrong by up to so much, by another amount each time
)

// Kinds that every node does to the groups that it leads.
const (
	TransferStorm  Kind = "transfer-storm"  // hands leadership over
	SnapshotStorm  Kind = "snapshot-storm"  // takes snapshots, on every replica
	MigrationStorm Kind = "migration-storm" // moves slots, on the controller's leader
)

// Kinds that concern a process. Whoever runs the processes carries them out and
// lets the nodes note it.
const (
	Kill           Kind = "kill"            // at once
	KillAll        Kind = "kill-all"        // every node at once
	Pause          Kind = "pause"           // as a machine that hangs
	Restart        Kind = "restart"         // kill, and start at once
	RollingRestart Kind = "rolling-restart" // stop and start one after the other
	Wipe           Kind = "wipe"            // kill, and delete the data folder
)

// Fault is one fault. Which fields are used depends on the kind; see forms.
type Fault struct {
	Kind  Kind
	Nodes []string    // whom it concerns; for links none: all of them, one: all of its links, two: the link between them
	Sides [2][]string // Split's
	// OneWay limits a fault of links to what the first node, or side, sends.
	OneWay bool
	Reset  bool

	Time   time.Duration // Delay, SlowFsync; Clock and ClockJumps, where it may be negative
	Jitter time.Duration // Delay: up to so much more or less
	Bytes  int64         // Bandwidth: a second; Full: free, 0 for half of the low-water mark
	Chance float64       // Drop, Flip: from 0 to 1
	// Group limits a fault to one group; nil: all groups, or for IsolateLeader,
	// Minority and Majority the controller's.
	Group *uint32
	Every time.Duration // of what happens again and again; 0: the kind's default

	For  time.Duration // 0: until it is healed
	Seed uint64        // of what happens by chance; 0: one is chosen
}

// OfLinks tells whether the fault changes what nodes send to each other.
func (f *Fault) OfLinks() bool {
	switch f.Kind {
	case Cut, Isolate, Split, Ring, Flapping, Delay, Bandwidth, Drop, Flip:
		return true
	}
	return false
}

// OfProcess tells whether the fault must be carried out by whoever runs the nodes.
func (f *Fault) OfProcess() bool {
	switch f.Kind {
	case Kill, KillAll, Pause, Restart, RollingRestart, Wipe:
		return true
	}
	return false
}

// Once tells whether the fault happens once, and ends by itself.
func (f *Fault) Once() bool {
	switch f.Kind {
	case TornWrite, LostWrite, FlipLog, FlipSnapshot:
		return true
	}
	return false
}

// Concerns tells whether a node has a part in the fault.
func (f *Fault) Concerns(node string) bool {
	switch {
	case f.Kind == Split:
		return slices.Contains(f.Sides[0], node) || slices.Contains(f.Sides[1], node)
	case f.OfLinks():
		return true
	}
	return len(f.Nodes) == 0 || slices.Contains(f.Nodes, node)
}

// period is how often something happens that happens again and again.
func (f *Fault) period() time.Duration {
	if f.Every > 0 {
		return f.Every
	}
	return time.Second
}
