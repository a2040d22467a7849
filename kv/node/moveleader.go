package node

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/hashicorp/raft"

	"raftkv/kv"
)

// MoveLeader makes a node lead a group of which it has a voter. It does nothing if
// the node leads already. Any node may be asked.
func (n *Node) MoveLeader(ctx context.Context, group uint32, to string) error {
	placed := n.shardMap().Group(group)
	switch {
	case placed == nil:
		return fmt.Errorf("there is no group %d: see raftkv group list", group)
	case placed.On(to) == nil:
		return fmt.Errorf("%s has no replica of group %d", to, group)
	case !placed.On(to).Voter:
		return fmt.Errorf("the replica of group %d on %s does not vote yet; try again", group, to)
	}
	leader := n.leaderOf(group)
	switch leader {
	case to:
		return nil
	case "":
		return fmt.Errorf("group %d has no leader now; try again", group)
	case n.config.ID:
		return n.handOver(group, to)
	}
	request := append(binary.BigEndian.AppendUint32(nil, group), to...)
	_, err := n.transport.Call(ctx, n.peerOf(leader), callHandOver, request)
	return err
}

// serveHandOver hands leadership over for another node.
func (n *Node) serveHandOver(payload []byte) ([]byte, error) {
	if len(payload) < 5 {
		return nil, errors.New("hand over: a group and a node expected")
	}
	return nil, n.handOver(binary.BigEndian.Uint32(payload), string(payload[4:]))
}

func (n *Node) handOver(group uint32, to string) error {
	g := n.group(group)
	if g == nil || !g.Serving() {
		return kv.ErrNoLeader
	}
	placed := n.shardMap().Group(group)
	if placed == nil || placed.On(to) == nil {
		return fmt.Errorf("%s has no replica of group %d", to, group)
	}
	return g.TransferLeadership(raft.ServerID(placed.On(to).ID))
}
