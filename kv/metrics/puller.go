package metrics

import (
	"cmp"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"raftkv/kv"
)

// Descriptions of what is pulled.
var (
	descRole      = desc("raft_leader", "1 if this replica leads the group and may serve.", "group")
	descState     = desc("raft_role", "Always 1; the label tells the replica's role in raft.", "group", "role")
	descTerm      = desc("raft_term", "The replica's term.", "group")
	descCommit    = desc("raft_commit_index", "Last index known to be committed.", "group")
	descApplied   = desc("raft_applied_index", "Last index applied to the state.", "group")
	descLast      = desc("raft_last_index", "Last index in the log.", "group")
	descMatch     = desc("raft_peer_match_index", "On the leader: last index known to be in another replica's log.", "group", "peer")
	descSnapIndex = desc("snapshot_index", "Index of the newest snapshot; 0 if there is none.", "group")
	descSnapTime  = desc("snapshot_timestamp_seconds", "When the newest snapshot was finished, Unix time; 0 if there is none.", "group")
	descKeys      = desc("keys", "Keys in the state.", "group")
	descStateLen  = desc("state_bytes", "Estimated memory of keys, values and sessions.", "group")
	descSessions  = desc("sessions", "Sessions that are remembered for exactly-once writes.", "group")
	descLogLen    = desc("log_disk_bytes", "Size of the log on disk.", "group")
	descWaiting   = desc("proposer_waiting", "Proposals that wait for the entry in flight.", "group")
	descWaitLen   = desc("proposer_waiting_bytes", "Bytes of the proposals that wait for the entry in flight.", "group")

	descCommands = desc("commands_total", "Commands of clients, by outcome: ok, error (nothing was done), moved, uncertain.", "command", "outcome")
	descLatency  = desc("command_seconds", "How long clients' pipelines took in the server, counted for each command.", "kind")

	descClients  = desc("clients_connected", "Open Redis connections.")
	descAccepted = desc("clients_accepted_total", "Redis connections accepted.")
	descRejected = desc("clients_rejected_total", "Redis connections refused because there were too many.")
	descIn       = desc("network_in_bytes_total", "Bytes read from Redis clients.")
	descOut      = desc("network_out_bytes_total", "Bytes written to Redis clients.")
	descProtocol = desc("protocol_errors_total", "Connections closed because of malformed input.")
	descSlow     = desc("slow_readers_total", "Connections closed because their client did not read.")

	descMemory   = desc("memory_state_bytes", "Estimated memory of all groups' states.")
	descLimit    = desc("memory_limit_bytes", "Bytes of state beyond which writes are refused; 0: no limit.")
	descDiskFree = desc("disk_free_bytes", "What the data folder's file system has left.")
	descDropped  = desc("log_lines_dropped_total", "Lines of the node log that were dropped to spare the data path.")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

// puller asks the sources at each scrape.
type puller struct{ sources Sources }

var _ prometheus.Collector = (*puller)(nil)

// Describe announces every metric that Collect may send.
func (p *puller) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range append([]*prometheus.Desc{
		descRole, descState, descTerm, descCommit, descApplied, descLast, descMatch,
		descSnapIndex, descSnapTime, descKeys, descStateLen, descSessions, descLogLen, descWaiting, descWaitLen,
		descCommands, descLatency,
		descClients, descAccepted, descRejected, descIn, descOut, descProtocol, descSlow,
		descMemory, descLimit, descDiskFree, descDropped,
	}, clusterDescs...) {
		ch <- d
	}
}

// Collect asks all sources.
func (p *puller) Collect(ch chan<- prometheus.Metric) {
	s := &p.sources
	if s.Groups != nil {
		groups := s.Groups()
		for i := range groups {
			collectGroup(ch, &groups[i])
		}
		collectHeat(ch, groups)
	}
	if s.Cluster != nil {
		collectCluster(ch, s.Cluster())
	}
	if s.Commands != nil {
		s.Commands(func(command, outcome string, n uint64) {
			sendCounter(ch, descCommands, float64(n), command, outcome)
		})
	}
	if s.Reads != nil {
		sendDistribution(ch, descLatency, s.Reads(), "read")
	}
	if s.Writes != nil {
		sendDistribution(ch, descLatency, s.Writes(), "write")
	}
	if s.Connections != nil {
		c := s.Connections()
		sendGauge(ch, descClients, float64(c.Open))
		sendCounter(ch, descAccepted, float64(c.Accepted))
		sendCounter(ch, descRejected, float64(c.Rejected))
		sendCounter(ch, descIn, float64(c.BytesIn))
		sendCounter(ch, descOut, float64(c.BytesOut))
		sendCounter(ch, descProtocol, float64(c.ProtocolErrors))
		sendCounter(ch, descSlow, float64(c.SlowReaders))
	}
	if s.Memory != nil {
		state, limit := s.Memory()
		sendGauge(ch, descMemory, float64(state))
		sendGauge(ch, descLimit, float64(limit))
	}
	if s.DiskFree != nil {
		sendGauge(ch, descDiskFree, float64(s.DiskFree()))
	}
	if s.DroppedLogLines != nil {
		sendCounter(ch, descDropped, float64(s.DroppedLogLines()))
	}
}

func collectGroup(ch chan<- prometheus.Metric, g *GroupState) {
	id, r := g.label(), &g.Status
	leads := 0.0
	if g.Serving {
		leads = 1
	}
	sendGauge(ch, descRole, leads, id)
	sendGauge(ch, descState, 1, id, g.role())
	sendGauge(ch, descTerm, float64(r.Term), id)
	sendGauge(ch, descCommit, float64(r.Commit), id)
	sendGauge(ch, descApplied, float64(r.Applied), id)
	sendGauge(ch, descLast, float64(r.Last), id)
	for peer, match := range g.Matches {
		sendGauge(ch, descMatch, float64(match), id, peer)
	}
	sendGauge(ch, descSnapIndex, float64(r.Snapshot.Index), id)
	sendGauge(ch, descSnapTime, float64(r.Snapshot.AtMS)/1e3, id)
	sendGauge(ch, descKeys, float64(r.Keys), id)
	sendGauge(ch, descStateLen, float64(r.Bytes), id)
	sendGauge(ch, descSessions, float64(g.Sessions), id)
	sendGauge(ch, descLogLen, float64(r.LogBytes), id)
	sendGauge(ch, descWaiting, float64(g.WaitingProposals), id)
	sendGauge(ch, descWaitLen, float64(g.WaitingBytes), id)
}

// label is the value of the label group.
func (g *GroupState) label() string { return strconv.FormatUint(uint64(g.ID), 10) }

func (g *GroupState) role() string { return cmp.Or(g.Status.Role, kv.RoleUnknown) }

// The labels of a description and the values given here are both in this file,
// so a mismatch is a programming error that the first scrape of a test shows.

func sendGauge(ch chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func sendCounter(ch chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
}

func sendDistribution(ch chan<- prometheus.Metric, d *prometheus.Desc, v Distribution, labels ...string) {
	ch <- prometheus.MustNewConstHistogram(d, v.Count, v.Sum, v.Buckets, labels...)
}
