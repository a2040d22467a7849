package launch

import (
	"context"
	"fmt"
	"time"
)

// Watch reports what happens to the processes until ctx ends: which died, were
// paused or came back, by whomever. It looks at them about every 100 ms.
func (c *Cluster) Watch(ctx context.Context, processes []*Process, report func(string)) error {
	ended := make(map[int]*Process)
	for _, p := range processes {
		ended[p.Node.PID] = p
	}
	nodes, err := c.Nodes()
	if err != nil {
		return err
	}
	type seen struct {
		pid   int
		state State
	}
	last := make(map[string]seen)
	for _, n := range nodes {
		last[n.ID] = seen{n.PID, n.State()}
	}
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
		if nodes, err = c.Nodes(); err != nil {
			return err
		}
		for _, n := range nodes {
			now, was := seen{n.PID, n.State()}, last[n.ID]
			if now == was {
				continue
			}
			last[n.ID] = now
			switch {
			case now.state == Dead:
				why := "it is gone"
				if p := ended[n.PID]; p != nil {
					why = "exit code 0"
					if err := p.Err(); err != nil {
						why = err.Error()
					}
				}
				report(fmt.Sprintf("%s (pid %d) has ended: %s; start it again with `raftkv node start %s`", n.ID, n.PID, why, n.ID))
			case now.state == Paused:
				report(fmt.Sprintf("%s (pid %d) is paused", n.ID, n.PID))
			case now.pid != was.pid:
				report(fmt.Sprintf("%s runs again (pid %d)", n.ID, n.PID))
			default:
				report(fmt.Sprintf("%s (pid %d) goes on", n.ID, n.PID))
			}
		}
	}
}
