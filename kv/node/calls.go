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
	"raftkv/shard"
)

// Methods of the calls between nodes. The numbers are part of the protocol.
const (
	callHello     uint8 = 1  // who are you -> JSON hello
	callPlace     uint8 = 2  // record me and tell my place: JSON placeRequest -> JSON place
	callReadIndex uint8 = 3  // group 4 bytes, applied 8 bytes -> index 8 bytes
	callStatus    uint8 = 4  // -> JSON localStatus
	callDo        uint8 = 5  // a command as RESP array -> its reply in RESP3
	callSnapshot  uint8 = 6  // group 4 bytes: take a snapshot
	callReport    uint8 = 7  // JSON report -> JSON bulletin, once there is news
	callControl   uint8 = 8  // a change of the map -> JSON controller.Reply
	callMembers   uint8 = 9  // group 4 bytes -> JSON list of its members' replica ids
	callLead      uint8 = 10 // hand a group over: JSON leadOrder
	callHotSlots  uint8 = 13 // -> JSON kv.HotStatus without keys, by the controller's leader
	callHotKeys   uint8 = 14 // -> JSON list of kv.HotKey
	callPlan      uint8 = 12 // -> JSON kv.PlanStatus, by the controller's leader
	callFault     uint8 = 30 // have a fault: JSON fault.Order -> its result in words
	callHeal      uint8 = 31 // end a fault by its id, or all -> JSON list of their lines
	callFaults    uint8 = 32 // -> JSON list of kv.FaultStatus
	callLasting   uint8 = 33 // -> JSON list of fault.Order, for a node that starts
	callMoves     uint8 = 15 // -> JSON list of kv.Migration, by the controller's leader
	callTurn      uint8 = 16 // group 4 bytes, group.Turn, replica id -> id of the replica whose turn it is to write a snapshot
	callMove      uint8 = 11 // group 4 bytes, migration 8 bytes, its command -> JSON migrate.Status
)

// Errors that callers see while a node or the controller is not ready.
var (
	errStarting     = errors.New("this node is starting; try again")
	errNoController = errors.New("the controller's group has no leader now; try again")
)

// callTimeout bounds a question to another node that it can answer from memory.
const callTimeout = 2 * time.Second

// hello is a node's answer to callHello.
type hello struct {
	Cluster     string `json:"cluster"`
	Node        string `json:"node"`
	Incarnation string `json:"incarnation"`
}

func (n *Node) hello() hello {
	return hello{Cluster: n.cluster(), Node: n.config.ID, Incarnation: n.identity.Incarnation}
}

// serveCall answers another node.
func (n *Node) serveCall(ctx context.Context, method uint8, payload []byte) ([]byte, error) {
	switch method {
	case callHello:
		return json.Marshal(n.hello())
	case callPlace:
		var request placeRequest
		if err := json.Unmarshal(payload, &request); err != nil {
			return nil, fmt.Errorf("a request for a place: %w", err)
		}
		ctx, cancel := context.WithTimeout(ctx, placeTimeout)
		defer cancel()
		return n.admit(ctx, request)
	case callReadIndex:
		return n.serveReadIndex(ctx, payload)
	case callTurn:
		return n.serveTurn(payload)
	case callStatus:
		return json.Marshal(n.localStatus())
	case callDo:
		return n.serveDo(ctx, payload)
	case callReport:
		var r report
		if err := json.Unmarshal(payload, &r); err != nil {
			return nil, fmt.Errorf("a report: %w", err)
		}
		now, err := n.hear(ctx, r)
		if err != nil {
			return nil, err
		}
		return json.Marshal(now)
	case callHotSlots:
		return n.serveHotSlots()
	case callHotKeys:
		return json.Marshal(n.hotKeys())
	case callPlan:
		return n.servePlan()
	case callMoves:
		return n.serveMigrations()
	case callMove:
		return n.serveMove(ctx, payload)
	case callFault, callHeal, callFaults, callLasting:
		return n.serveFaultCall(method, payload)
	case callLead:
		var order leadOrder
		if err := json.Unmarshal(payload, &order); err != nil {
			return nil, fmt.Errorf("an order about leadership: %w", err)
		}
		return nil, n.handGroup(order)
	case callControl:
		g := n.group(shard.Controller)
		if g == nil || !g.Serving() {
			return nil, errNoController // who asks finds the leader by itself
		}
		return n.changeMap(ctx, payload)
	}
	return n.serveGroupCall(method, payload)
}

// serveGroupCall answers what concerns a replica on this node.
func (n *Node) serveGroupCall(method uint8, payload []byte) ([]byte, error) {
	if method != callSnapshot && method != callMembers {
		return nil, fmt.Errorf("call %d is not known by this version (%s)", method, n.config.Version)
	}
	if len(payload) != 4 {
		return nil, fmt.Errorf("call %d: 4 bytes expected", method)
	}
	g := n.group(binary.BigEndian.Uint32(payload))
	switch {
	case g == nil:
		return nil, kv.ErrNoLeader
	case method == callSnapshot:
		return nil, g.Snapshot()
	case !g.Serving():
		return nil, kv.ErrNoLeader
	}
	// Who asks deletes a replica that is none of them.
	servers, err := g.SettledServers()
	if err != nil {
		return nil, err
	}
	return json.Marshal(replicaIDs(servers))
}

// replicaIDs lists the replica ids of a group's members.
func replicaIDs(servers []raft.Server) []string {
	var out []string
	for _, s := range servers {
		out = append(out, string(s.ID))
	}
	return out
}

func (n *Node) serveReadIndex(ctx context.Context, payload []byte) ([]byte, error) {
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

// askMembers asks a group's leader for the replica ids of its members.
func (n *Node) askMembers(ctx context.Context, group uint32) ([]string, error) {
	peer := n.peerOf(n.leaderOf(group))
	if peer == "" || peer == n.config.Peer {
		return nil, kv.ErrNoLeader
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, err := n.transport.Call(ctx, peer, callMembers, binary.BigEndian.AppendUint32(nil, group))
	if err != nil {
		return nil, err
	}
	var out []string
	if err := json.Unmarshal(answer, &out); err != nil {
		return nil, fmt.Errorf("the members of group %d by %s: %w", group, peer, err)
	}
	return out, nil
}
