package simulation

import "raftkv/kv/raftlog"

// Break names a rule that does not hold in a run. The simulation must find out:
// if it did not, its word that nothing is wrong would be worth nothing.
type Break string

// The rules that can be broken.
const (
	LyingDisk        Break = "lying-disk"        // an fsync returns before anything is on disk
	ForgottenVotes   Break = "forgotten-votes"   // likewise, for terms and votes alone
	NoApplyGate      Break = "no-apply-gate"     // a leader answers before its own disk has the entry
	NoCommitGate     Break = "no-commit-gate"    // a leader tells of commits that count on its own disk too early
	UnconfirmedReads Break = "unconfirmed-reads" // a leader reads without asking whether it still leads
	NoSessions       Break = "no-sessions"       // a repeated command is executed again
	AckBeforeCommit  Break = "ack-before-commit" // a write is acknowledged when it is proposed
)

// Breaks lists them.
var Breaks = []Break{LyingDisk, ForgottenVotes, NoApplyGate, NoCommitGate, UnconfirmedReads, NoSessions, AckBeforeCommit}

func (b Break) gates() raftlog.Rules {
	switch b {
	case NoApplyGate:
		return raftlog.ApplyGate
	case NoCommitGate:
		return raftlog.CommitGate
	}
	return 0
}
