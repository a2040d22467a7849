package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"raftkv/shard/heat"
)

// Descriptions of what is pulled about load and about the cluster.
var (
	descOps       = desc("heat_ops_per_second", "Operations that this node serves as the group's leader: a rate, decayed with a half-life of 5 s.", "group", "kind")
	descTraffic   = desc("heat_bytes_per_second", "Bytes that this node serves as the group's leader, of values read and of commands that write: decayed as the operations.", "group", "kind")
	descNodeOps   = desc("node_heat_ops_per_second", "Operations that this node serves in all groups that it leads, decayed.", "kind")
	descNodeBytes = desc("node_heat_bytes_per_second", "Bytes that this node serves in all groups that it leads, decayed.", "kind")
	descReplicas  = desc("replicas", "Replicas on this node, that of the controller included.", "role")
	descEpoch     = desc("map_epoch", "Epoch of the newest shard map that this node has.")
	descRunning   = desc("migrations_running", "Migrations in the shard map that have not ended.")
	descDriven    = desc("migrations_driven", "Migrations that this node carries out now.")
)

// clusterDescs are those of this file.
var clusterDescs = []*prometheus.Desc{descOps, descTraffic, descNodeOps, descNodeBytes, descReplicas, descEpoch, descRunning, descDriven}

// Cluster is what a node knows of the shard map.
type Cluster struct {
	Epoch           uint64
	Running, Driven int // migrations
}

// counts are pushed: what was decided and what happened.
type counts struct {
	decisions, events *prometheus.CounterVec
}

func newCounts() counts {
	vector := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, []string{"kind"})
	}
	return counts{
		decisions: vector("balancer_decisions_total", "Actions of the balancer that this node carried out as the controller's leader."),
		events:    vector("events_total", "Events of the cluster since this node started, as in /v1/events: finish-migration counts migrations that are done, abort-migration those undone."),
	}
}

// Decided counts an action of the balancer.
func (m *Metrics) Decided(kind string) { m.counts.decisions.WithLabelValues(kind).Inc() }

// Happened counts an event of the cluster.
func (m *Metrics) Happened(kind string) { m.counts.events.WithLabelValues(kind).Inc() }

// collectHeat tells what the groups that are led here serve, and all of them.
func collectHeat(ch chan<- prometheus.Metric, groups []GroupState) {
	var sum heat.SlotHeat
	roles := make(map[string]int)
	for i := range groups {
		g := &groups[i]
		roles[g.role()]++
		if !g.Serving {
			continue
		}
		id := g.label()
		h := g.Heat
		sendHeat(ch, descOps, descTraffic, h, id)
		sum.Reads, sum.Writes = sum.Reads+h.Reads, sum.Writes+h.Writes
		sum.ReadBytes, sum.WriteBytes = sum.ReadBytes+h.ReadBytes, sum.WriteBytes+h.WriteBytes
	}
	sendHeat(ch, descNodeOps, descNodeBytes, sum)
	for role, n := range roles {
		sendGauge(ch, descReplicas, float64(n), role)
	}
}

func sendHeat(ch chan<- prometheus.Metric, ops, bytes *prometheus.Desc, h heat.SlotHeat, labels ...string) {
	of := func(kind string) []string { return append(labels[:len(labels):len(labels)], kind) }
	sendGauge(ch, ops, h.Reads, of("read")...)
	sendGauge(ch, ops, h.Writes, of("write")...)
	sendGauge(ch, bytes, h.ReadBytes, of("read")...)
	sendGauge(ch, bytes, h.WriteBytes, of("write")...)
}

func collectCluster(ch chan<- prometheus.Metric, c Cluster) {
	sendGauge(ch, descEpoch, float64(c.Epoch))
	sendGauge(ch, descRunning, float64(c.Running))
	sendGauge(ch, descDriven, float64(c.Driven))
}
