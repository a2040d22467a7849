package node

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"raftkv/kv"
	"raftkv/shard"
)

// hotKeys is how many keys a node tells of itself.
const hotKeys = 50

// Hot tells where the load is: by node, the hottest slots and the hottest keys, top
// of each at most. Any node may be asked.
func (n *Node) Hot(ctx context.Context, top int) (out kv.HotStatus, err error) {
	answer, err := n.askController(ctx, callHotSlots, n.serveHotSlots)
	if err == nil {
		err = json.Unmarshal(answer, &out)
	}
	if err != nil {
		return out, err
	}
	out.Slots = out.Slots[:min(top, len(out.Slots))]
	out.Keys = n.askHotKeys(ctx)
	slices.SortFunc(out.Keys, func(a, b kv.HotKey) int { return cmp.Compare(b.Ops, a.Ops) })
	out.Keys = out.Keys[:min(top, len(out.Keys))]
	return out, nil
}

// serveHotSlots tells of nodes and slots what the leaders have reported, on the
// controller's leader.
func (n *Node) serveHotSlots() ([]byte, error) {
	m := n.shardMap()
	now, _ := n.board.read()
	slots, keys := n.board.load(m)
	out := kv.HotStatus{Nodes: []kv.HotNode{}, Slots: []kv.HotSlot{}, Keys: []kv.HotKey{}}
	byNode, total := make(map[string]float64), 0.0
	for _, h := range slots {
		group := m.Owner[h.Slot]
		node := now.Leaders[group].Node
		byNode[node] += h.Ops()
		total += h.Ops()
		if h.Ops() > 0 {
			out.Slots = append(out.Slots, kv.HotSlot{Slot: h.Slot, Group: group, Node: node, Reads: h.Reads, Writes: h.Writes, Keys: keys[h.Slot]})
		}
	}
	slices.SortFunc(out.Slots, func(a, b kv.HotSlot) int { return cmp.Compare(b.Reads+b.Writes, a.Reads+a.Writes) })
	for _, info := range m.Nodes {
		h := kv.HotNode{Node: info.ID, Ops: byNode[info.ID]}
		if total > 0 {
			h.Factor = h.Ops * float64(len(m.Nodes)) / total
		}
		out.Nodes = append(out.Nodes, h)
	}
	return json.Marshal(out)
}

// askHotKeys asks all nodes for their hottest keys. One that does not answer is left
// out.
func (n *Node) askHotKeys(ctx context.Context) []kv.HotKey {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	out := n.hotKeys()
	var mu sync.Mutex
	var asking sync.WaitGroup
	for _, info := range n.shardMap().Nodes {
		if info.ID == n.config.ID {
			continue
		}
		asking.Go(func() {
			answer, err := n.transport.Call(ctx, info.Peer, callHotKeys, nil)
			var keys []kv.HotKey
			if err != nil || json.Unmarshal(answer, &keys) != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			out = append(out, keys...)
		})
	}
	asking.Wait()
	return out
}

// hotKeys lists the keys that clients ask this node for most.
func (n *Node) hotKeys() []kv.HotKey {
	out := []kv.HotKey{} // in JSON a list, though an empty one
	if n.redis == nil {
		return out
	}
	n.redis.HotKeys.Fold(time.Now())
	for _, k := range n.redis.HotKeys.Top(hotKeys) {
		out = append(out, kv.HotKey{Key: k.Key, Slot: shard.Slot([]byte(k.Key)), Node: n.config.ID, Ops: k.Rate})
	}
	return out
}
