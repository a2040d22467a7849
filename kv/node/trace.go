package node

import (
	"context"
	"time"
)

// Trace sets which topics the node's trace follows, and of how many entries one under
// load, where 0 is the default; nil leaves either as it is. It returns what is so then.
func (n *Node) Trace(topics []string, sample *uint64) ([]string, uint64) {
	if topics != nil {
		n.trace.Follow(topics)
	}
	if sample != nil {
		n.trace.SetSample(*sample)
	}
	now, every := append([]string{}, n.trace.Topics()...), n.trace.Sample()
	if topics != nil || sample != nil {
		n.log.Info("the trace is set", "topic", "log", "topics", now, "sample", every)
	}
	return now, every
}

const (
	// stallTick is how often the node looks whether it runs. It is one of the full
	// intervals at which heartbeats go out, so that at rest it wakes nobody.
	stallTick = 200 * time.Millisecond
	// stallLimit is how late the tick must be to be worth a line: as late as makes
	// others elect a new leader, and later than a busy machine makes it.
	stallLimit = 500 * time.Millisecond
	// jumpLimit is by how much the wall clock must have moved against the other one.
	jumpLimit = 50 * time.Millisecond
)

// watchStalls writes into the log that the process did not run for a while, which it
// alone can prove: it was paused, its machine was, or others had the processors. And
// that somebody set the clock, by which logs of several nodes are put together.
func (n *Node) watchStalls(ctx context.Context) {
	last := time.Now()
	alarm := n.pulse.Alarm()
	defer alarm.Stop()
	for {
		alarm.Set(stallTick)
		select {
		case <-alarm.C:
		case <-ctx.Done():
			return
		}
		now := time.Now()
		wall, ran := now.Round(0).Sub(last.Round(0)), now.Sub(last)
		if late := ran - stallTick; late > stallLimit {
			n.log.Warn("the process did not run", "topic", "node", "from", last.UTC().Format(time.RFC3339Nano), "for", ran.Round(time.Millisecond).String())
		}
		if jump := wall - ran; jump > jumpLimit || jump < -jumpLimit {
			n.log.Warn("the machine's clock was set", "topic", "node", "by", jump.Round(time.Millisecond).String())
		}
		last = now
	}
}
