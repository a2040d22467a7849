package simulation

import "sync/atomic"

// seen counts what faults led to: a run in which they lead to nothing proves
// nothing.
type seen struct {
	leaders, snapshots, installed, lost, torn, migrations, replaced atomic.Int64
}

func (s *seen) numbers() map[string]int {
	return map[string]int{
		"leaders":             int(s.leaders.Load()),
		"snapshots":           int(s.snapshots.Load()),
		"snapshots installed": int(s.installed.Load()),
		"writes lost":         int(s.lost.Load()), // in crashes, before their fsync
		"writes torn":         int(s.torn.Load()),
		"migrations":          int(s.migrations.Load()),
		"replicas replaced":   int(s.replaced.Load()),
	}
}
