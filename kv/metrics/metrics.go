// Package metrics is what a node tells Prometheus. There are two ways in:
//
//   - what happens is pushed by those who do it, once an entry or a read round
//     and never once a command, into fields that are resolved beforehand (Group);
//   - what is so is pulled when somebody scrapes (Sources).
//
// Every Metrics has a registry of its own, so that nodes may share a process.
// The names are an interface: dashboards and alerts refer to them.
package metrics

import (
	"runtime"
	"strconv"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

const namespace = "raftkv"

// Metrics holds a node's metrics. Its methods may be called from any goroutine.
type Metrics struct {
	registry *prometheus.Registry
	labelled prometheus.Registerer // puts the label node on all
	vectors  *vectors
	counts   counts

	mu     sync.Mutex
	groups map[uint32]*Group
}

// New makes the metrics of one node. Each of them carries the label node.
func New(node, version string) *Metrics {
	registry := prometheus.NewRegistry()
	labelled := prometheus.WrapRegistererWith(prometheus.Labels{"node": node}, registry)
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info",
		Help:        "Always 1; the labels tell the version of the program and of Go.",
		ConstLabels: prometheus.Labels{"version": version, "go": runtime.Version()},
	})
	build.Set(1)
	m := &Metrics{registry: registry, labelled: labelled, vectors: newVectors(), counts: newCounts(), groups: make(map[uint32]*Group)}
	labelled.MustRegister(build,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	labelled.MustRegister(m.vectors.all()...)
	labelled.MustRegister(m.counts.decisions, m.counts.events)
	return m
}

// Gatherer returns what /metrics serves.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

// Watch adds what is pulled at each scrape from a node. It is called once, when
// all that sources refer to can answer.
func (m *Metrics) Watch(sources Sources) { m.labelled.MustRegister(&puller{sources: sources}) }

// Group returns the metrics of a group's replica; the same for the same id.
func (m *Metrics) Group(id uint32) *Group {
	m.mu.Lock()
	defer m.mu.Unlock()
	g := m.groups[id]
	if g == nil {
		g = m.vectors.group(strconv.FormatUint(uint64(id), 10))
		m.groups[id] = g
	}
	return g
}

// Forget drops the metrics of a group that has left the node. What still holds
// its Group may go on calling it, to no effect.
func (m *Metrics) Forget(id uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.groups, id)
	m.vectors.forget(strconv.FormatUint(uint64(id), 10))
}
