package node

import (
	"context"
	"errors"
	"fmt"

	"raftkv/kv"
	"raftkv/kv/fsm"
	"raftkv/shard"
	"raftkv/shard/controller"
)

// Drain marks a node, so that what it has moves elsewhere. It is refused where groups
// would be left with fewer replicas than they have now, unless it is forced, and always
// where nobody could take over.
func (n *Node) Drain(ctx context.Context, id string, force bool) (kv.Drained, error) {
	began := false // by a try whose answer was lost
	for {
		m, err := n.readMap(ctx)
		if err != nil {
			return kv.Drained{}, err
		}
		if info := m.Node(id); info != nil && info.State == shard.Draining {
			return kv.Drained{Epoch: m.Epoch, Changed: began}, nil
		}
		copies, err := mayDrain(m, n.bulletin.Load().Dead, id, force)
		if err != nil {
			return kv.Drained{}, err
		}
		// Two drains at once must not both count on the node of the other.
		reply, unsure, err := n.order(ctx, controller.At(m.Epoch, controller.Drain(id)))
		if known := kv.ReplyError(""); errors.As(err, &known) && known.Code() == fsm.ErrStale && ctx.Err() == nil {
			began = began || unsure
			continue
		}
		if err != nil {
			return kv.Drained{}, err
		}
		n.readMap(ctx)
		return kv.Drained{Epoch: reply.Epoch, Changed: reply.Changed, Copies: copies}, nil
	}
}

// mayDrain returns why a node cannot be drained, or how many replicas groups can keep
// without it, if that is fewer than they have.
func mayDrain(m *shard.Map, dead []string, id string, force bool) (copies int, err error) {
	if m.Node(id) == nil {
		return 0, refused("there is no node %s", id)
	}
	left := 0
	for _, usable := range activeNodes(m, dead) {
		if usable != id {
			left++
		}
	}
	have := 0
	for _, g := range dataGroups(m) {
		have = max(have, min(len(g.Replicas), replicasWanted))
	}
	switch {
	case left == 0:
		return 0, refused("without %s no usable node would remain (alive and not draining) to take over: add a node first (raftkv serve --join ...)", id)
	case left >= have:
		return 0, nil
	case !force:
		return 0, refused("%s would remain (alive and not draining), and groups have %s: add a node first (raftkv serve --join ...), or say --force to go on with fewer copies", counted(left, "usable node"), counted(have, "replica"))
	}
	return left, nil
}

// counted writes a number with what it counts.
func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
