package node

import (
	"context"
	"strings"

	"raftkv/kv"
	"raftkv/kv/eventlog"
	"raftkv/shard"
)

// Events returns what was decided and what happened after a position, as far as it
// is kept, and a channel that closes when there is more.
func (n *Node) Events(after kv.EventPosition) ([]kv.Event, <-chan struct{}) {
	return n.feed.after(after)
}

// EventsEnd returns the position after all events that this node has.
func (n *Node) EventsEnd() kv.EventPosition { return n.feed.position() }

// followMap puts every change of the map into the feed, with the reason that stands
// in its log. On the controller's leader it goes into the node's log, too: so it is
// there once, whoever asked for the change.
func (n *Node) followMap(context.Context) {
	g := n.group(shard.Controller)
	if g == nil {
		return
	}
	epoch := g.State().Map().Epoch
	if epoch == n.followed {
		return
	}
	n.followed = epoch // what comes meanwhile is read once more in the next pass
	var news []kv.Event
	for _, note := range g.State().Notes(n.feed.position().Epoch, feedSize) {
		news = append(news, kv.Event{
			Time: eventTime(note.At), Kind: kv.EventKind(note.Op), Node: note.Node, Group: note.Group, Epoch: note.Epoch,
			Text: note.Text, Reason: note.Reason,
		})
	}
	for _, e := range n.feed.add(news...) {
		n.countEvent(e)
		// What a start applies anew was logged when it was news.
		if g.Serving() && e.Time.UnixMilli() >= n.ledAt.Load() {
			n.logEvent(e)
		}
	}
}

// countEvent counts an event that did not happen before this node was there.
func (n *Node) countEvent(e kv.Event) {
	if e.Time.After(n.started) {
		n.metrics.Happened(string(e.Kind))
	}
}

// tell takes an event from the board, on the controller's leader.
func (n *Node) tell(term uint64, e kv.Event) {
	e.Time = eventTime(n.config.Now().UnixMilli())
	if n.feed.tell(term, e) {
		n.countEvent(e)
		n.logEvent(e)
	}
}

func (n *Node) logEvent(e kv.Event) {
	topic := eventlog.TopicMembership
	switch {
	case e.Kind == kv.EventFault:
		return // it stands in the log of the node that has it
	case e.Kind == kv.EventLeader || e.Kind == kv.EventLetLead:
		topic = eventlog.TopicLeadership
	case strings.Contains(string(e.Kind), "migration"):
		topic = eventlog.TopicMigration
	}
	n.log.Info(e.Text, "topic", topic, "group", e.Group, "kind", string(e.Kind), "epoch", e.Epoch, "reason", e.Reason)
}
