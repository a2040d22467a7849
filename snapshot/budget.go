package snapshot

import (
	"fmt"
	"time"
)

// Budget says when a snapshot is due: when replaying the log after a restart
// would take longer than Replay. A count of entries, as most systems use it,
// says little about that: entries differ a thousandfold in cost.
type Budget struct {
	Replay time.Duration
}

// Progress is what has happened since the newest snapshot.
type Progress struct {
	Entries    uint64
	ApplyTime  time.Duration // spent applying them
	NewBytes   int64         // of these entries in the log
	LogBytes   int64         // of the whole log, what it keeps behind the snapshot included
	StateBytes int64         // of the state in memory
	WriteTime  time.Duration // that the newest snapshot took; 0: unknown
	Idle       time.Duration // since anything was read or has changed
}

// What replaying costs beside applying: an entry is read and decoded twice, by
// the check of the log and by the replay.
const (
	replayPerEntry = 15 * time.Microsecond
	replayPerMiB   = 4 * time.Millisecond
	// early is the part of the budget from which on a snapshot is taken if that
	// takes at most half as long as the replay that it saves: as long as the state is small,
	// restarts are quicker than they must be.
	early = 3
	// idle is for how long nothing must be asked for the processors to be free, and
	// idleShare the part of the budget from which on a snapshot is taken then, if that takes at
	// most idleWorth times as long as the replay that it saves. Most of that time it rests.
	idle      = time.Second
	idleShare = 10
	idleWorth = 4
	// smallLog is below what a log never outgrows the state.
	smallLog = 64 << 20
)

// ReplayTime estimates how long replaying p would take.
func (p Progress) ReplayTime() time.Duration {
	return p.ApplyTime + time.Duration(p.Entries)*replayPerEntry + time.Duration(p.NewBytes>>20)*replayPerMiB
}

// Due tells whether a snapshot should be taken now, and why, in words.
func (b Budget) Due(p Progress) (bool, string) {
	if p.Entries == 0 {
		return false, ""
	}
	switch took := p.ReplayTime(); {
	case took > b.Replay:
		return true, fmt.Sprintf("replaying %d entries would take about %v, the budget is %v", p.Entries, took.Round(time.Millisecond), b.Replay)
	case took > b.Replay/early && 2*p.WriteTime <= took:
		return true, fmt.Sprintf("replaying %d entries would take about %v, and writing a snapshot only %v", p.Entries, took.Round(time.Millisecond), p.WriteTime.Round(time.Millisecond))
	case p.Idle >= idle && took > b.Replay/idleShare && p.WriteTime <= idleWorth*took:
		return true, fmt.Sprintf("replaying %d entries would take about %v, and nothing else is to be done", p.Entries, took.Round(time.Millisecond))
	}
	if limit := max(p.StateBytes, smallLog); p.LogBytes > 2*limit {
		return true, fmt.Sprintf("the log has %d MiB, the state %d MiB", p.LogBytes>>20, p.StateBytes>>20)
	}
	return false, ""
}
