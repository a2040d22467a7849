package fault

import "time"

// storm does something to the node's groups again and again, until the fault ends.
func (s *Set) storm(a *active) {
	ticker := time.NewTicker(a.fault.period())
	defer ticker.Stop()
	for {
		switch a.fault.Kind {
		case TransferStorm:
			s.opts.Body.Transfer(a.ctx, a.fault.Group)
		case SnapshotStorm:
			s.opts.Body.Snapshot(a.ctx, a.fault.Group)
		case MigrationStorm:
			s.opts.Body.Migrate(a.ctx, a.chance) // this goroutine's alone
		}
		select {
		case <-ticker.C:
		case <-a.ctx.Done():
			return
		}
	}
}
