package node

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/hashicorp/raft"

	"raftkv/kv"
	"raftkv/shard"
	"raftkv/shard/controller"
	"raftkv/shard/plan"
)

// carryOut makes one action true that was decided at the sight of m: it changes the
// map, and the nodes' loops do the rest. Whatever plans for the cluster acts through
// it alone.
func (n *Node) carryOut(ctx context.Context, m *shard.Map, a plan.Action) error {
	_, err := n.carryOutAt(ctx, m.Epoch, a)
	return err
}

// carryOutAt is carryOut for the map of an epoch. It returns the epoch that the map
// has by what was done, for the next action that was decided at the sight of the same
// map.
func (n *Node) carryOutAt(ctx context.Context, epoch uint64, a plan.Action) (uint64, error) {
	switch a.Kind {
	case plan.AddGroup:
		return n.changeAt(ctx, epoch, controller.AddGroup(a.Nodes), a.Reason)
	case plan.RemoveGroup:
		// If it is founded after all, and that comes first, the map is another one.
		return n.changeAt(ctx, epoch, controller.RemoveGroup(a.Group), a.Reason)
	case plan.AssignSlots:
		for _, part := range a.Assign {
			// They need not be for this map: a slot that has an owner by then is refused.
			reply, err := n.control(ctx, controller.Because(a.Reason, controller.AssignSlots(part.Group, part.Slots)))
			if err != nil {
				return epoch, err
			}
			if reply.Changed && reply.Epoch == epoch+1 { // and nothing else did
				epoch++
			}
		}
		return epoch, nil
	case plan.AddReplica:
		return n.changeAt(ctx, epoch, controller.AddReplica(a.Group, a.Node), a.Reason)
	case plan.RemoveReplica:
		return n.changeAt(ctx, epoch, controller.RemoveReplica(a.Group, a.Replica), a.Reason)
	case plan.MoveSlots:
		return n.changeAt(ctx, epoch, controller.StartMigration(a.Slots, a.From, a.To, a.Reason), "")
	case plan.TransferLeader:
		n.board.letLead(a.Group, a.Node, a.Reason)
		return epoch, n.letLead(ctx, leadOrder{Group: a.Group, Node: a.Node})
	}
	return epoch, fmt.Errorf("an action of kind %q is not known by this version (%s)", a.Kind, n.config.Version)
}

// changeFor changes the map if it is still m, as it was when the change was decided.
func (n *Node) changeFor(ctx context.Context, m *shard.Map, change []byte, reason string) error {
	_, err := n.changeAt(ctx, m.Epoch, change, reason)
	return err
}

// changeAt changes the map if it still has an epoch, tells why, and returns the epoch
// that the map has by that.
func (n *Node) changeAt(ctx context.Context, epoch uint64, change []byte, reason string) (uint64, error) {
	reply, err := n.control(ctx, controller.Because(reason, controller.At(epoch, change)))
	if err != nil {
		return epoch, err
	}
	return reply.Epoch, nil
}

// leadOrder asks for a group to be led by a node.
type leadOrder struct {
	Group uint32 `json:"group"`
	Node  string `json:"node"`
}

// letLead hands a group to the voter on a node, wherever its leader is. A group
// that is led there already stays so.
func (n *Node) letLead(ctx context.Context, order leadOrder) error {
	if g := n.group(order.Group); g != nil && g.Serving() {
		return n.handGroup(order)
	}
	peer := n.peerOf(n.leaderOf(order.Group))
	if peer == "" || peer == n.config.Peer {
		return kv.ErrNoLeader
	}
	request, err := json.Marshal(order)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, changeTimeout)
	defer cancel()
	_, err = n.transport.Call(ctx, peer, callLead, request)
	return err
}

// handGroup hands a group that this node leads to the voter on another.
func (n *Node) handGroup(order leadOrder) error {
	g := n.group(order.Group)
	if g == nil || !g.Serving() {
		return kv.ErrNoLeader
	}
	for _, s := range g.Servers() {
		switch {
		case nodeOf(s.ID) != order.Node || s.Suffrage != raft.Voter:
		case s.ID == g.Replica():
			return nil
		default:
			return g.TransferLeadership(s.ID)
		}
	}
	return fmt.Errorf("group %d has no voter on node %s", order.Group, order.Node)
}
