package node

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/hashicorp/raft"

	"raftkv/kv"
	"raftkv/kv/group"
)

// serveTurn answers a replica of a group that is led here, whose turn it is to write a
// snapshot.
func (n *Node) serveTurn(payload []byte) ([]byte, error) {
	if len(payload) < 6 {
		return nil, errors.New("a turn to write a snapshot: 6 bytes expected at least")
	}
	g := n.group(binary.BigEndian.Uint32(payload))
	if g == nil {
		return nil, kv.ErrNoLeader
	}
	whose, err := g.ServeTurn(raft.ServerID(payload[5:]), group.Turn(payload[4]))
	return []byte(whose), err
}

// askTurn asks the leader at peer, for a replica here.
func (n *Node) askTurn(id uint32) func(context.Context, raft.ServerAddress, raft.ServerID, group.Turn) (raft.ServerID, error) {
	return func(ctx context.Context, peer raft.ServerAddress, replica raft.ServerID, turn group.Turn) (raft.ServerID, error) {
		request := append(binary.BigEndian.AppendUint32(nil, id), byte(turn))
		whose, err := n.transport.Call(ctx, string(peer), callTurn, append(request, replica...))
		return raft.ServerID(whose), err
	}
}
