package metrics

import "github.com/prometheus/client_golang/prometheus"

// Buckets. Latencies begin at 50 us, below which nothing that fsyncs ends, and
// double; work in memory begins at 1 us; whole states take longer.
var (
	latencyBuckets = prometheus.ExponentialBuckets(50e-6, 2, 18) // .. 6.5 s
	memoryBuckets  = prometheus.ExponentialBuckets(1e-6, 4, 12)  // .. 4.2 s
	stateBuckets   = prometheus.ExponentialBuckets(1e-3, 2, 18)  // .. 131 s
	countBuckets   = prometheus.ExponentialBuckets(1, 2, 14)     // .. 8192
	byteBuckets    = prometheus.ExponentialBuckets(64, 4, 10)    // .. 16 MiB
)

// vectors are the pushed metrics, each with the label group.
type vectors struct {
	entryCommands, entryBytes, commit *prometheus.HistogramVec
	apply                             *prometheus.HistogramVec
	appliedCommands, appliedBytes     *prometheus.CounterVec
	readRound                         *prometheus.HistogramVec
	logStore, logSync                 *prometheus.HistogramVec
	loggedEntries, loggedLen          *prometheus.CounterVec
	snapshot, restore, replay         *prometheus.HistogramVec
	snapshotBytes                     *prometheus.GaugeVec
	leadership                        *prometheus.CounterVec
}

func newVectors() *vectors {
	return &vectors{
		entryCommands:   histogram("entry_commands", "Commands in one raft entry proposed by this leader.", countBuckets),
		entryBytes:      histogram("entry_bytes", "Bytes of one raft entry proposed by this leader.", byteBuckets),
		commit:          histogram("commit_seconds", "From handing an entry to raft until its commands had their replies.", latencyBuckets),
		apply:           histogram("apply_seconds", "Applying one entry to the state.", memoryBuckets),
		appliedCommands: counter("applied_commands_total", "Commands applied to the state with their replies made; followers make none."),
		appliedBytes:    counter("applied_bytes_total", "Bytes of the entries applied to the state."),
		readRound:       histogram("read_index_seconds", "One confirmation of leadership, shared by all reads that waited for it.", latencyBuckets),
		logStore:        histogram("log_store_seconds", "Making entries durable, the fsync included.", latencyBuckets),
		logSync:         histogram("log_fsync_seconds", "One fsync of the log; with BoltDB, the writing of a transaction's pages included.", latencyBuckets),
		loggedEntries:   counter("log_entries_total", "Entries made durable."),
		loggedLen:       counter("log_bytes_total", "Bytes of the entries made durable."),
		snapshot:        histogram("snapshot_seconds", "Taking and writing a snapshot, beside traffic.", stateBuckets),
		snapshotBytes:   gauge("snapshot_bytes", "Size of the newest snapshot taken by this replica."),
		restore:         histogram("restore_seconds", "Replacing the state by a snapshot's.", stateBuckets),
		replay:          histogram("replay_seconds", "Applying, after a start, the log that was found.", stateBuckets),
		leadership:      counter("leadership_changes_total", "How often this replica began or ended to serve as leader.", "to"),
	}
}

func (v *vectors) all() []prometheus.Collector {
	return []prometheus.Collector{
		v.entryCommands, v.entryBytes, v.commit,
		v.apply, v.appliedCommands, v.appliedBytes, v.readRound,
		v.logStore, v.logSync, v.loggedEntries, v.loggedLen,
		v.snapshot, v.snapshotBytes, v.restore, v.replay, v.leadership,
	}
}

// group resolves the label once, so that observing needs no lookup.
func (v *vectors) group(id string) *Group {
	return &Group{
		entryCommands:   v.entryCommands.WithLabelValues(id),
		entryBytes:      v.entryBytes.WithLabelValues(id),
		commit:          v.commit.WithLabelValues(id),
		apply:           v.apply.WithLabelValues(id),
		appliedCommands: v.appliedCommands.WithLabelValues(id),
		appliedBytes:    v.appliedBytes.WithLabelValues(id),
		readRound:       v.readRound.WithLabelValues(id),
		logStore:        v.logStore.WithLabelValues(id),
		logSync:         v.logSync.WithLabelValues(id),
		loggedEntries:   v.loggedEntries.WithLabelValues(id),
		loggedLen:       v.loggedLen.WithLabelValues(id),
		snapshot:        v.snapshot.WithLabelValues(id),
		snapshotBytes:   v.snapshotBytes.WithLabelValues(id),
		restore:         v.restore.WithLabelValues(id),
		replay:          v.replay.WithLabelValues(id),
		led:             v.leadership.WithLabelValues(id, "leader"),
		stepDown:        v.leadership.WithLabelValues(id, "follower"),
	}
}

func (v *vectors) forget(id string) {
	type deleter interface {
		DeletePartialMatch(prometheus.Labels) int
	}
	for _, c := range v.all() {
		c.(deleter).DeletePartialMatch(prometheus.Labels{"group": id})
	}
}

func histogram(name, help string, buckets []float64) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Name: name, Help: help, Buckets: buckets,
	}, []string{"group"})
}

func counter(name, help string, more ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: name, Help: help,
	}, append([]string{"group"}, more...))
}

func gauge(name, help string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: namespace, Name: name, Help: help,
	}, []string{"group"})
}
