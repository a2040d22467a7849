package node

import (
	"github.com/hashicorp/raft"

	"raftkv/kv/eventlog"
	"raftkv/kv/group"
	"raftkv/kv/raftlog"
	"raftkv/shard"
)

// groupConfig is what a replica on this node runs with.
func (n *Node) groupConfig(id uint32, replica string, founders []raft.Server) group.Config {
	m := n.metrics.Group(id)
	logger := n.log.With(eventlog.KeyGroup, id)
	server := raft.ServerID(replica)
	config := group.Config{
		ID: id, Cluster: n.cluster(), Node: n.config.ID, Replica: server, Dir: n.groupDir(id),
		Timing:    group.Timings[n.config.Profile],
		Transport: n.transport.Group(id, server),
		Log: raftlog.Options{
			Store: n.config.LogStore, MinFree: n.config.MinFree, HangTimeout: n.config.HangTimeout,
			Faults: n.diskFaults(id), Logger: eventlog.Hclog(logger, eventlog.TopicStore), Stored: m.LogStored, Flushed: m.LogSynced,
		},
		Founders:     founders,
		ReplayBudget: max(n.config.ReplayBudget, 0),
		AskReadIndex: n.askReadIndex(id),
		AskTurn:      n.askTurn(id),
		Fatal:        n.fail,
		Now:          n.now,
		Hurry:        n.hurry.begin,
		LeaderChanged: func(serving bool) {
			if serving && id == shard.Controller {
				n.ledAt.Store(n.now().UnixMilli())
			}
			n.reportNow()
			n.nudge()
			n.rerouted.ring()
		},
		GateChanged: n.rerouted.ring,
		MapChanged:  n.nudge,
		Observe: group.Observer{
			Proposed: m.Proposed, Applied: m.Applied, Snapshot: m.Snapshot, ReadRound: m.ReadRound,
			Restored: m.Restored, Replayed: m.Replayed, Leadership: m.Leadership,
		},
		Trace:   n.trace,
		Logger:  n.log,
		RaftLog: eventlog.Hclog(logger, eventlog.TopicReplication),
	}
	n.config.breakRule(&config)
	return config
}
