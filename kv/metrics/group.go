package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Group takes what one replica of a group measures. Its methods have the shape
// of the hooks of group.Observer and raftlog. They may be called from any
// goroutine and cost well under a microsecond: call them for an entry or a
// round, not for a command.
type Group struct {
	entryCommands, entryBytes, commit prometheus.Observer

	apply                         prometheus.Observer
	appliedCommands, appliedBytes prometheus.Counter

	readRound prometheus.Observer

	logStore, logSync        prometheus.Observer
	loggedEntries, loggedLen prometheus.Counter

	snapshot      prometheus.Observer
	snapshotBytes prometheus.Gauge
	restore       prometheus.Observer
	replay        prometheus.Observer

	led      prometheus.Counter
	stepDown prometheus.Counter
}

// Proposed notes an entry of this leader: how many commands and bytes it
// carried, and how long it took from the hand-over to raft to its replies.
func (g *Group) Proposed(commands, bytes int, took time.Duration) {
	g.entryCommands.Observe(float64(commands))
	g.entryBytes.Observe(float64(bytes))
	g.commit.Observe(took.Seconds())
}

// Applied notes an entry that the state machine applied.
func (g *Group) Applied(commands, bytes int, took time.Duration) {
	g.apply.Observe(took.Seconds())
	g.appliedCommands.Add(float64(commands))
	g.appliedBytes.Add(float64(bytes))
}

// ReadRound notes one confirmation of leadership that waiting reads shared.
func (g *Group) ReadRound(took time.Duration) { g.readRound.Observe(took.Seconds()) }

// LogStored notes entries that were made durable, the fsync included.
func (g *Group) LogStored(entries, bytes int, took time.Duration) {
	g.logStore.Observe(took.Seconds())
	g.loggedEntries.Add(float64(entries))
	g.loggedLen.Add(float64(bytes))
}

// LogSynced notes one fsync of the log.
func (g *Group) LogSynced(took time.Duration) { g.logSync.Observe(took.Seconds()) }

// Snapshot notes a snapshot that was taken, and its size.
func (g *Group) Snapshot(bytes int64, took time.Duration) {
	g.snapshot.Observe(took.Seconds())
	g.snapshotBytes.Set(float64(bytes))
}

// Restored notes that the state was replaced by a snapshot's.
func (g *Group) Restored(took time.Duration) { g.restore.Observe(took.Seconds()) }

// Replayed notes that a restart has applied the log it found.
func (g *Group) Replayed(took time.Duration) { g.replay.Observe(took.Seconds()) }

// Leadership notes that this replica began or ended to serve as leader.
func (g *Group) Leadership(_ uint64, serving bool) {
	if serving {
		g.led.Inc()
	} else {
		g.stepDown.Inc()
	}
}
