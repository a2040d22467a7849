package launch

import (
	"context"
	"errors"
	"time"
)

// Change is what happened to a node's process.
type Change string

// The changes that Watch reports.
const (
	Ended   Change = "ended"
	Stopped Change = "paused"
	Resumed Change = "goes on"
	Started Change = "runs again" // under a new pid
)

// Event is one change of a node's process, by whomever.
type Event struct {
	Node   Node // its PID is the process that changed
	Change Change
	Reason string // of Ended: "signal: killed", "exit code 0", or that it is not known
}

// ErrDown says that the cluster was stopped on purpose, with Stop.
var ErrDown = errors.New("the cluster was stopped")

// watchInterval is how often Watch looks.
const watchInterval = 100 * time.Millisecond

// Watch reports what happens to the nodes until ctx ends, or with ErrDown once somebody
// has stopped all of them. The processes given
// are those that this process started; one that has ended since is reported
// too. report is called by the caller's goroutine.
func (c *Cluster) Watch(ctx context.Context, processes []*Process, report func(Event)) error {
	own := make(map[int]*Process)
	last := make(map[string]look)
	nodes, err := c.Nodes()
	if err != nil {
		return err
	}
	for _, n := range nodes {
		last[n.ID] = look{n.PID, n.State()}
	}
	for _, p := range processes {
		own[p.Node.PID] = p
		last[p.Node.ID] = look{p.Node.PID, Running}
	}
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	for {
		f, err := c.read()
		if err != nil {
			return err
		}
		down := f.Down
		for _, n := range f.Nodes {
			now := look{n.PID, n.State()}
			down = down && now.state == Dead
			for _, e := range now.since(last[n.ID], n) {
				if e.Change == Ended {
					e.Reason = "how is not known: it was started elsewhere"
					if p := own[e.Node.PID]; p != nil {
						e.Reason = p.reason()
					}
				}
				if !f.Down || e.Change != Ended {
					report(e)
				}
			}
			last[n.ID] = now
		}
		if down {
			return ErrDown
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// look is what was seen of a node at one moment.
type look struct {
	pid   int
	state State
}

// since lists what must have happened between two looks.
func (now look) since(was look, n Node) (events []Event) {
	add := func(pid int, change Change) {
		n := n
		n.PID = pid
		events = append(events, Event{Node: n, Change: change})
	}
	if now.pid != was.pid {
		if was.state != Dead {
			add(was.pid, Ended)
		}
		add(now.pid, Started)
		was = look{now.pid, Running}
	}
	switch {
	case now.state == was.state:
	case now.state == Dead:
		add(now.pid, Ended)
	case now.state == Paused:
		add(now.pid, Stopped)
	default:
		add(now.pid, Resumed)
	}
	return events
}

// reason tells how the process ended; it waits for that.
func (p *Process) reason() string {
	if err := p.Err(); err != nil {
		return err.Error()
	}
	return "exit code 0"
}
