package controller

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"raftkv/shard"
)

// command is one change of the map, as it stands in the log. Which fields an
// op needs is told by its constructor.
//
// The log is replayed by replicas of other versions, so an op must never change
// its meaning: a new rule is a new op, and a new op needs a new format version
// of the log's entries, at which older replicas stop instead of differing.
type command struct {
	Op string `json:"op"`
	// If is the epoch that the map must have for the command to be carried out.
	If *uint64 `json:"if,omitempty"`

	Record  *shard.Node   `json:"record,omitempty"`
	Node    string        `json:"node,omitempty"`
	Nodes   []string      `json:"nodes,omitempty"`
	Group   *uint32       `json:"group,omitempty"`
	Replica string        `json:"replica,omitempty"`
	Slots   []shard.Range `json:"slots,omitempty"`
	From    *uint32       `json:"from,omitempty"`
	To      *uint32       `json:"to,omitempty"`
	Reason  string        `json:"reason,omitempty"`
	// Epoch names a migration.
	Epoch *uint64 `json:"epoch,omitempty"`
	On    *bool   `json:"on,omitempty"`
}

// rules says how each op changes a map.
var rules = map[string]func(*change, command) error{
	"put-node":         putNode,
	"drain":            drain,
	"undrain":          undrain,
	"remove-node":      removeNode,
	"add-group":        addGroup,
	"remove-group":     removeGroup,
	"found-group":      foundGroup,
	"add-replica":      addReplica,
	"promote-replica":  promoteReplica,
	"remove-replica":   removeReplica,
	"replace-replica":  replaceReplica,
	"assign-slots":     assignSlots,
	"start-migration":  startMigration,
	"finish-migration": finishMigration,
	"cancel-migration": cancelMigration,
	"abort-migration":  abortMigration,
	"set-balance":      setBalance,
}

// Reply is what Apply answers, as JSON.
type Reply struct {
	Epoch     uint64 `json:"epoch"`   // of the map after the command
	Changed   bool   `json:"changed"` // false: it was so already
	Replica   string `json:"replica,omitempty"`
	Group     uint32 `json:"group,omitempty"`
	Migration uint64 `json:"migration,omitempty"`
}

// PutNode adds a node, as active, or updates where it listens. The record's
// State is ignored: a node that is known keeps its own.
//
// If the node is known under another incarnation, its old replicas are lost and
// leave their groups, since a folder that lost votes and entries must never
// speak under its old replica ids. A node without a replica of group 0 is given
// one, which votes while group 0 has fewer than ControllerVoters voters.
//
// The reply tells the node's replica of group 0. The first node of a cluster is
// given the replica id "<node>.1".
func PutNode(node shard.Node) []byte { return encode(command{Op: "put-node", Record: &node}) }

// Drain asks for a node's replicas and leaderships to be moved elsewhere.
func Drain(node string) []byte { return encode(command{Op: "drain", Node: node}) }

// Undrain takes Drain back.
func Undrain(node string) []byte { return encode(command{Op: "undrain", Node: node}) }

// RemoveNode takes a node out, with its replica of group 0. It is refused while
// the node has replicas of other groups, or the only vote of group 0. A node
// that is not there is removed already.
func RemoveNode(node string) []byte { return encode(command{Op: "remove-node", Node: node}) }

// AddGroup makes a group with a voter on each of the nodes, which owns no slots
// yet and is not founded. The reply tells its number, which is one above the
// highest that ever was. Doing it twice makes two groups: guard it with At.
func AddGroup(nodes []string) []byte { return encode(command{Op: "add-group", Nodes: nodes}) }

// RemoveGroup takes a group out. It is refused for group 0, and for one that
// owns slots or takes part in a migration. A group that once was is removed
// already.
func RemoveGroup(group uint32) []byte { return encode(command{Op: "remove-group", Group: &group}) }

// FoundGroup records that a group has had a leader: from now on a replica of it
// with an empty folder has lost something.
func FoundGroup(group uint32) []byte { return encode(command{Op: "found-group", Group: &group}) }

// AddReplica gives a group a non-voting replica on a node. The reply tells its
// id, or that of the replica which is there already. A draining node is given
// no replica, save of group 0, which has one on every node.
func AddReplica(group uint32, node string) []byte {
	return encode(command{Op: "add-replica", Group: &group, Node: node})
}

// PromoteReplica gives a replica its vote.
func PromoteReplica(group uint32, replica string) []byte {
	return encode(command{Op: "promote-replica", Group: &group, Replica: replica})
}

// RemoveReplica takes a replica out of its group. The last voter stays. A
// replica that is not there is removed already.
func RemoveReplica(group uint32, replica string) []byte {
	return encode(command{Op: "remove-replica", Group: &group, Replica: replica})
}

// ReplaceReplica says that a replica's files are lost or damaged: it leaves the
// group, and a non-voter with a new id, which the reply tells, takes its place
// on the same node. The last voter stays: without it, there is nothing that its
// successor could copy. Doing it twice replies with the same successor.
func ReplaceReplica(group uint32, replica string) []byte {
	return encode(command{Op: "replace-replica", Group: &group, Replica: replica})
}

// AssignSlots gives slots to their first owner, a founded group. It is refused
// if another group owns one of them: such slots have to be moved.
func AssignSlots(group uint32, slots []shard.Range) []byte {
	return encode(command{Op: "assign-slots", Group: &group, Slots: slots})
}

// StartMigration records that slots are to move from one founded group to
// another. The reply tells the migration's epoch, which names it. It is refused
// if a slot has another owner or is moving already; but if just this move is
// under way and not canceled, the reply names it.
func StartMigration(slots []shard.Range, from, to uint32, reason string) []byte {
	return encode(command{Op: "start-migration", Slots: slots, From: &from, To: &to, Reason: reason})
}

// FinishMigration says that the new owner serves: the slots are routed to it and
// the migration is over, even if it was canceled meanwhile. One that is over
// already stays so.
func FinishMigration(epoch uint64) []byte {
	return encode(command{Op: "finish-migration", Epoch: &epoch})
}

// CancelMigration asks the driver to undo a migration. It is refused when the
// migration is over, because then nothing will be undone.
func CancelMigration(epoch uint64) []byte {
	return encode(command{Op: "cancel-migration", Epoch: &epoch})
}

// AbortMigration says that a migration has been undone: it is over, and its
// slots stay with their owner. One that is over already stays so.
func AbortMigration(epoch uint64) []byte {
	return encode(command{Op: "abort-migration", Epoch: &epoch})
}

// SetBalance lets the planner move things by itself, or stops it.
func SetBalance(on bool) []byte { return encode(command{Op: "set-balance", On: &on}) }

// At makes a command that is carried out only if the map still has this epoch
// when it is applied; otherwise Apply returns ErrStale. The command must come
// from one of the constructors.
func At(epoch uint64, cmd []byte) []byte {
	c, err := decode(cmd)
	if err != nil {
		return cmd // Apply will say what is wrong with it
	}
	c.If = &epoch
	return encode(c)
}

func encode(c command) []byte {
	b, err := json.Marshal(c)
	if err != nil {
		panic(err) // a struct of strings, numbers and booleans always marshals
	}
	return b
}

func decode(b []byte) (command, error) {
	var c command
	d := json.NewDecoder(bytes.NewReader(b))
	// A field that is not known is a condition that would not be met.
	d.DisallowUnknownFields()
	err := d.Decode(&c)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something follows the command")
		}
	}
	if err == nil && rules[c.Op] == nil {
		err = fmt.Errorf("there is no op %q", c.Op)
	}
	if err != nil {
		return command{}, fmt.Errorf("controller: command %.200q: %w", b, err)
	}
	return c, nil
}
