package node

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"raftkv/kv/metrics"
	"raftkv/kv/server"
)

// Info returns the node's part of INFO.
func (r routes) Info() server.Info {
	n := r.n
	info := server.Info{Memory: residentMemory(), StateMemory: n.stateMemory(), MaxMemory: n.config.MaxMemory}
	if n.config.Unsafe != "" {
		info.Fields = append(info.Fields, server.Field{Name: "unsafe", Value: n.config.Unsafe}, server.Field{Name: "warning", Value: UnsafeWarning(n.config.Unsafe)})
	}
	leads := len(r.Led()) > 0
	for _, g := range *n.groups.Load() {
		status := g.Status(n.config.ID)
		if g.Serving() || !leads { // a master counts what is its own
			info.Keys += status.Keys
			info.Expires += g.State().Expiring()
		}
		info.LastSave = max(info.LastSave, status.Snapshot.AtMS/1000)
		info.Saving = info.Saving || g.Snapshotting()
		for _, f := range []server.Field{
			{Name: "role", Value: status.Role},
			{Name: "term", Value: strconv.FormatUint(status.Term, 10)},
			{Name: "commit", Value: strconv.FormatUint(status.Commit, 10)},
			{Name: "applied", Value: strconv.FormatUint(status.Applied, 10)},
			{Name: "leader", Value: n.leaderOf(g.ID())},
		} {
			f.Name = fmt.Sprintf("group%d_%s", g.ID(), f.Name)
			info.Fields = append(info.Fields, f)
		}
	}
	return info
}

// residentMemory returns the process's resident memory in bytes, 0 if the
// system does not tell.
func residentMemory() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// diskUsage adds up the blocks of the files in a folder, in bytes.
func diskUsage(dir string) (total int64) {
	filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		var st unix.Stat_t
		if err == nil && entry.Type().IsRegular() && unix.Lstat(path, &st) == nil {
			total += st.Blocks * 512
		}
		return nil // a file that has gone meanwhile does not count
	})
	return total
}

func diskFree(dir string) int64 {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return 0
	}
	return int64(st.Bavail) * int64(st.Bsize)
}

// metricSources says what Prometheus finds out when it asks.
func (n *Node) metricSources() metrics.Sources {
	latency := func(l *server.Latency) func() metrics.Distribution {
		return func() metrics.Distribution {
			buckets, count, sum := l.Snapshot()
			return metrics.Distribution{Buckets: buckets, Count: count, Sum: sum}
		}
	}
	stats := n.redis.Stats
	return metrics.Sources{
		Groups:  n.groupStates,
		Cluster: n.clusterState,
		Commands: func(emit func(command, outcome string, n uint64)) {
			stats.Each(func(name string, o server.Outcome, count uint64) { emit(name, o.String(), count) })
		},
		Reads:  latency(&stats.Reads),
		Writes: latency(&stats.Writes),
		Connections: func() metrics.Connections {
			return metrics.Connections{
				Open: int64(n.redis.Clients()), Accepted: stats.Accepted.Load(), Rejected: stats.Rejected.Load(),
				BytesIn: stats.BytesIn.Load(), BytesOut: stats.BytesOut.Load(),
				ProtocolErrors: stats.ProtocolErrors.Load(), SlowReaders: stats.SlowReaders.Load(),
			}
		},
		Memory:          func() (state, limit int64) { return n.stateMemory(), n.config.MaxMemory },
		DiskFree:        func() int64 { return diskFree(n.config.Dir) },
		DroppedLogLines: n.events.Dropped,
	}
}

func (n *Node) clusterState() metrics.Cluster {
	m := n.shardMap()
	n.drivers.mu.Lock()
	defer n.drivers.mu.Unlock()
	return metrics.Cluster{Epoch: m.Epoch, Running: len(m.Migrations), Driven: len(n.drivers.running)}
}

func (n *Node) groupStates() []metrics.GroupState {
	var out []metrics.GroupState
	for _, g := range *n.groups.Load() {
		state := metrics.GroupState{
			ID: g.ID(), Serving: g.Serving(), Status: g.Status(n.config.ID), Sessions: g.State().Sessions(),
			Heat:    g.Heat().Total(),
			Matches: make(map[string]uint64),
		}
		for id, match := range g.Matches() {
			state.Matches[nodeOf(id)] = match
		}
		state.WaitingProposals, state.WaitingBytes = g.Waiting()
		out = append(out, state)
	}
	return out
}
