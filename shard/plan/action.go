package plan

import (
	"fmt"
	"strings"

	"raftkv/shard"
)

// Kind says what an action does.
type Kind string

// The kinds of actions, and which fields of Action they use.
const (
	AddGroup       Kind = "add-group"       // Nodes: where its first replicas lie
	RemoveGroup    Kind = "remove-group"    // Group: one that was never founded, and owns nothing
	AssignSlots    Kind = "assign-slots"    // Assign: slots that nobody owns yet
	AddReplica     Kind = "add-replica"     // Group, Node: a non-voter, promoted when it has caught up
	RemoveReplica  Kind = "remove-replica"  // Group, Node, Replica
	TransferLeader Kind = "transfer-leader" // Group, Node: who is to lead, a voter
	MoveSlots      Kind = "move-slots"      // Slots, From, To
)

// Action is one thing to do. All actions of a plan may be carried out at once
// and in any order.
type Action struct {
	Kind    Kind          `json:"kind"`
	Group   uint32        `json:"group,omitempty"`
	Node    string        `json:"node,omitempty"`
	Replica string        `json:"replica,omitempty"` // the raft server id
	Nodes   []string      `json:"nodes,omitempty"`
	Slots   []shard.Range `json:"slots,omitempty"`
	From    uint32        `json:"from,omitempty"`
	To      uint32        `json:"to,omitempty"`
	Assign  []Assignment  `json:"assign,omitempty"`
	Reason  string        `json:"reason"` // for a person
}

// Assignment gives a group its first slots.
type Assignment struct {
	Group uint32        `json:"group"`
	Slots []shard.Range `json:"slots"`
}

// String says what is done and why, in one line.
func (a Action) String() string {
	what := string(a.Kind)
	switch a.Kind {
	case AddGroup:
		what = "add a group on " + strings.Join(a.Nodes, ", ")
	case RemoveGroup:
		what = fmt.Sprintf("remove group %d", a.Group)
	case AssignSlots:
		what = fmt.Sprintf("assign slots to %d groups", len(a.Assign))
	case AddReplica:
		what = fmt.Sprintf("add a replica of group %d on %s", a.Group, a.Node)
	case RemoveReplica:
		what = fmt.Sprintf("remove replica %s of group %d from %s", a.Replica, a.Group, a.Node)
	case TransferLeader:
		what = fmt.Sprintf("let %s lead group %d", a.Node, a.Group)
	case MoveSlots:
		what = fmt.Sprintf("move slots %s from group %d to group %d", shard.BriefRanges(a.Slots), a.From, a.To)
	}
	return what + ": " + a.Reason
}
