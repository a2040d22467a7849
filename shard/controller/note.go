package controller

import (
	"encoding/json"
	"fmt"
	"strings"

	"raftkv/shard"
)

// Note says in words what a change of the map was, and why. Every epoch has one
// that was made by this version or a later one.
type Note struct {
	Epoch  uint64 `json:"-"`  // of the map that the change made
	At     int64  `json:"at"` // ms since the Unix epoch, by the log's clock
	Op     string `json:"op"` // as in a command: "put-node", "start-migration", ...
	Group  uint32 `json:"group,omitempty"`
	Node   string `json:"node,omitempty"`
	Text   string `json:"text"`
	Reason string `json:"reason,omitempty"`
}

// Because gives a command the reason for which it is given, unless it has one. The
// command must come from one of the constructors. Versions that know nothing of
// notes read the reason and leave it.
func Because(reason string, cmd []byte) []byte {
	c, err := decode(cmd)
	if err != nil || c.Reason != "" {
		return cmd // Apply will say what is wrong with it
	}
	c.Reason = reason
	return encode(c)
}

// Notes returns the notes of the newest maps after an epoch, oldest first and limit
// at most. Those of maps that are not kept any more are missing.
func (s *State) Notes(after uint64, limit int) []Note {
	if newest := s.current.Epoch; newest-min(after, newest) > uint64(limit) {
		after = newest - uint64(limit)
	}
	var out []Note
	for _, seg := range s.history.segments {
		for i, b := range seg.deltas {
			epoch := seg.epoch + uint64(i) + 1
			if epoch <= after {
				continue
			}
			var d struct {
				Note *Note `json:"note"`
			}
			if json.Unmarshal(b, &d) == nil && d.Note != nil { // MapAt complains about damage
				d.Note.Epoch = epoch
				out = append(out, *d.Note)
			}
		}
	}
	return out
}

// note describes a change that made next out of prev.
func note(prev *shard.Map, next *change, c command, at int64) *Note {
	n := &Note{Epoch: next.Epoch, At: at, Op: c.Op, Node: c.Node, Reason: brief(c.Reason)}
	if c.Group != nil {
		n.Group = *c.Group
	}
	if c.Record != nil {
		n.Node = c.Record.ID
	}
	if c.Replica != "" {
		n.Node, _, _ = strings.Cut(c.Replica, ".")
	}
	switch c.Op {
	case "put-node":
		n.Text = nodeNote(prev.Node(n.Node), c.Record)
	case "drain":
		n.Text = fmt.Sprintf("node %s is to be drained", n.Node)
	case "undrain":
		n.Text = fmt.Sprintf("node %s is not to be drained any more", n.Node)
	case "remove-node":
		n.Text = fmt.Sprintf("node %s is removed", n.Node)
	case "add-group":
		n.Group = next.reply.Group
		n.Text = fmt.Sprintf("group %d is added on %s", n.Group, strings.Join(c.Nodes, ", "))
	case "remove-group":
		n.Text = fmt.Sprintf("group %d is removed", n.Group)
	case "found-group":
		n.Text = fmt.Sprintf("group %d is founded", n.Group)
	case "add-replica":
		n.Text = fmt.Sprintf("group %d gets a replica on %s", n.Group, n.Node)
	case "promote-replica":
		n.Text = fmt.Sprintf("replica %s of group %d has caught up and votes", c.Replica, n.Group)
	case "remove-replica":
		n.Text = fmt.Sprintf("group %d loses replica %s", n.Group, c.Replica)
	case "replace-replica":
		n.Text = fmt.Sprintf("replica %s of group %d is replaced by %s", c.Replica, n.Group, next.reply.Replica)
	case "assign-slots":
		n.Text = fmt.Sprintf("group %d gets its first slots, %s", n.Group, shard.BriefRanges(c.Slots))
	case "start-migration":
		n.Group = *c.From
		n.Text = migrationNote(next.Epoch, next.Map, "begins")
	case "finish-migration":
		n.Text = migrationNote(*c.Epoch, prev, "is done")
	case "cancel-migration":
		n.Text = migrationNote(*c.Epoch, prev, "is canceled")
	case "abort-migration":
		n.Text = migrationNote(*c.Epoch, prev, "is undone")
	case "set-balance":
		n.Text = "the balancer is off"
		if next.Balance {
			n.Text = "the balancer is on"
		}
	}
	if c.Op == "finish-migration" || c.Op == "cancel-migration" || c.Op == "abort-migration" {
		n.Group = migrationOf(*c.Epoch, prev).From
	}
	return n
}

// maxReason bounds what the history keeps of a reason, in bytes: anybody may give one.
const maxReason = 500

func brief(reason string) string {
	if len(reason) <= maxReason {
		return reason
	}
	return strings.ToValidUTF8(reason[:maxReason], "") + "..."
}

func nodeNote(old, now *shard.Node) string {
	switch {
	case old == nil:
		return fmt.Sprintf("node %s joins, at %s", now.ID, now.Redis)
	case old.Incarnation != now.Incarnation:
		return fmt.Sprintf("node %s joins again with an empty folder: its replicas are lost", now.ID)
	case old.Redis != now.Redis || old.HTTP != now.HTTP || old.Peer != now.Peer:
		return fmt.Sprintf("node %s listens elsewhere, at %s", now.ID, now.Redis)
	}
	return fmt.Sprintf("node %s gets a replica of group %d", now.ID, shard.Controller)
}

func migrationNote(epoch uint64, m *shard.Map, what string) string {
	x := migrationOf(epoch, m)
	return fmt.Sprintf("migration %d %s: %s %s from group %d to group %d", epoch, what, shard.Noun(x.Slots), shard.BriefRanges(x.Slots), x.From, x.To)
}

func migrationOf(epoch uint64, m *shard.Map) shard.Migration {
	for _, x := range m.Migrations {
		if x.Epoch == epoch {
			return x
		}
	}
	return shard.Migration{Epoch: epoch}
}
