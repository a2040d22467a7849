package transport

import "github.com/hashicorp/raft"

// Disk tells how far a replica's log is on disk. A leader's may lie behind what
// raft knows of it (raftlog.Options.Early), and then nobody else must learn of a
// commit that counts on it.
type Disk interface {
	// Durable returns the index up to which the log is on disk.
	Durable() uint64
	// WaitAllDurable waits until all that was stored so far is on disk.
	WaitAllDurable() error
}

// OnDisk sets whose disk this replica's messages speak of. Without it, all that
// raft knows of is taken to be durable. It must be called before raft starts.
func (g *Group) OnDisk(d Disk) { g.disk = d }

// honest returns args with a commit index that this replica's disk bears out. A
// follower that applied more could not take it back if this leader lost the
// entry in a crash and another replica led without it.
func (g *Group) honest(args *raft.AppendEntriesRequest) *raft.AppendEntriesRequest {
	if g.disk == nil {
		return args
	}
	durable := g.disk.Durable()
	if args.LeaderCommitIndex <= durable {
		return args
	}
	limited := *args
	limited.LeaderCommitIndex = durable
	return &limited
}

// vouch makes the answer to an append true: raft says that the entries are in the
// log, and whoever asked counts on their being on disk. They are, unless this
// replica led until just now.
func (g *Group) vouch(command any) error {
	if _, ok := command.(*raft.AppendEntriesRequest); !ok || g.disk == nil {
		return nil
	}
	return g.disk.WaitAllDurable()
}
