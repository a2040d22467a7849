package node

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/kv"
	"raftkv/kv/fsm"
)

// Methods of the calls between nodes. The numbers are part of the protocol.
const (
	callHello     uint8 = 1 // who are you: JSON hello
	callJoin      uint8 = 2 // make me a member, or record my new addresses: JSON fsm.NodeInfo
	callReadIndex uint8 = 3 // group 4 bytes, applied 8 bytes -> index 8 bytes
	callStatus    uint8 = 4 // -> JSON localStatus
	callDo        uint8 = 5 // a command as RESP array -> its reply in RESP3
	callSnapshot  uint8 = 6 // group 4 bytes: take a snapshot
)

// hello is a node's answer to callHello.
type hello struct {
	Cluster string `json:"cluster"`
	Node    string `json:"node"`
	Replica string `json:"replica"`
}

func (n *Node) hello() hello {
	return hello{Cluster: n.cluster(), Node: n.config.ID, Replica: n.identity.Replica}
}

// joinTimeout bounds making a node a member, catching up included.
const joinTimeout = 30 * time.Second

// serveCall answers another node.
func (n *Node) serveCall(ctx context.Context, method uint8, payload []byte) ([]byte, error) {
	switch method {
	case callHello:
		return json.Marshal(n.hello())
	case callJoin:
		var info fsm.NodeInfo
		if err := json.Unmarshal(payload, &info); err != nil {
			return nil, fmt.Errorf("join: %w", err)
		}
		ctx, cancel := context.WithTimeout(ctx, joinTimeout)
		defer cancel()
		return n.admit(ctx, info)
	case callReadIndex:
		if len(payload) != 12 {
			return nil, errors.New("read index: 12 bytes expected")
		}
		g := n.group(binary.BigEndian.Uint32(payload))
		if g == nil {
			return nil, kv.ErrNoLeader
		}
		index, err := g.ServeReadIndex(ctx, binary.BigEndian.Uint64(payload[4:]))
		if err != nil {
			return nil, err
		}
		return binary.BigEndian.AppendUint64(nil, index), nil
	case callStatus:
		return json.Marshal(n.localStatus())
	case callDo:
		return n.serveDo(ctx, payload)
	case callSnapshot:
		if len(payload) != 4 {
			return nil, errors.New("snapshot: 4 bytes expected")
		}
		g := n.group(binary.BigEndian.Uint32(payload))
		if g == nil {
			return nil, kv.ErrNoLeader
		}
		return nil, g.Snapshot()
	}
	return nil, fmt.Errorf("call %d is not known by this version (%s)", method, n.config.Version)
}

// askReadIndex asks the leader at peer, for a follower's reads.
func (n *Node) askReadIndex(group uint32) func(context.Context, raft.ServerAddress, uint64) (uint64, error) {
	return func(ctx context.Context, peer raft.ServerAddress, applied uint64) (uint64, error) {
		if peer == "" {
			return 0, kv.ErrNoLeader
		}
		request := binary.BigEndian.AppendUint32(nil, group)
		request = binary.BigEndian.AppendUint64(request, applied)
		answer, err := n.transport.Call(ctx, string(peer), callReadIndex, request)
		if err != nil {
			return 0, err
		}
		if len(answer) != 8 {
			return 0, fmt.Errorf("read index from %s: %d bytes instead of 8", peer, len(answer))
		}
		return binary.BigEndian.Uint64(answer), nil
	}
}
