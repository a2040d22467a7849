package node

import (
	"context"
	"fmt"
	"sync"
)

// The loops of a node. Each makes one thing so as the map wants it, again and
// again: what is so costs nothing, what failed is tried again, and it does not
// matter who began and where he stopped.
const (
	wakePlace      = iota // keepPlace: the node's record and its replica of group 0
	wakeReplicas          // alignReplicas: which replicas are open here, and routes
	wakeGroups            // tendGroups: slots and members of the groups led here
	wakeController        // lead: the controller's decisions
	wakeMoves             // driveMigrations: slots that leave groups led here
	wakeReport            // keepReporting: who leads what
	wakeEvents            // followMap: events
	wakeLost              // lookForLost: leaders that are dead
	wakeCount
)

// keep calls step until the node closes: when something may have changed, and from
// time to time.
func (n *Node) keep(wake int, step func(context.Context)) {
	n.keepers.Go(func() {
		alarm := n.pulse.Alarm()
		defer alarm.Stop()
		for n.ctx.Err() == nil {
			step(n.ctx)
			alarm.Set(retryInterval)
			select {
			case <-n.wakes[wake]:
			case <-alarm.C:
			case <-n.ctx.Done():
			}
		}
	})
}

// nudge makes all loops look at once. It does not block.
func (n *Node) nudge() {
	for _, wake := range n.wakes {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}

// complaints remembers what was reported last, so that a loop which tries again
// says a thing once. The zero value is ready.
type complaints struct {
	complainMu sync.Mutex
	last       map[string]string
}

// logFailure reports that something about a group is not so yet, once for each
// reason. With a nil err it forgets.
func (n *Node) logFailure(what string, group uint32, err error) {
	n.complainMu.Lock()
	defer n.complainMu.Unlock()
	key := fmt.Sprint(what, group)
	if err == nil {
		delete(n.last, key)
		return
	}
	if n.last == nil {
		n.last = make(map[string]string)
	}
	if n.last[key] == err.Error() || n.ctx.Err() != nil {
		return
	}
	n.last[key] = err.Error()
	n.log.Warn(what, "topic", "membership", "group", group, "error", err)
}

// complaint returns the reason that logFailure was last given for what is not so yet,
// or "".
func (n *Node) complaint(what string, group uint32) string {
	n.complainMu.Lock()
	defer n.complainMu.Unlock()
	return n.last[fmt.Sprint(what, group)]
}
