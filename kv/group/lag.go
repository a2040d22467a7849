package group

import "github.com/hashicorp/raft"

// maxLag is how many entries raft may have handed to a follower's state machine that are
// not applied yet, as far as a leader that sends more entries is concerned. Raft holds 128
// batches for it, each of at least one entry.
const maxLag = 100

// The loop of hashicorp/raft that stores what a leader sends also hands committed entries
// to the state machine, and blocks when that is 128 batches behind: it is in its replay
// still, or the collector is at work. Then the follower would acknowledge nothing, and two
// such followers stop all writes. So while more is to come, a follower's raft learns of no
// more commits than it can pass on; it learns the rest from later appends. One without
// entries may say everything: nobody waits for its answer.

// limitCommits lowers the commit index of what a leader has sent, before raft sees it; to 0
// if raft has not started yet. Commits are learned late, which Raft permits at any time.
func (g *Group) limitCommits(args *raft.AppendEntriesRequest) {
	if g.running.Load() == nil {
		args.LeaderCommitIndex = 0
		return
	}
	if len(args.Entries) > 0 || !g.replay.over() {
		args.LeaderCommitIndex = min(args.LeaderCommitIndex, max(g.fsm.Applied(), g.replay.to)+maxLag)
	}
}
