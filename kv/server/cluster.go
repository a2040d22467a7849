package server

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"raftkv/kv"
	"raftkv/kv/command"
	"raftkv/kv/store"
	"raftkv/shard"
)

// nodeID turns a node's name into the 40 hex digits that Redis clients expect,
// the same after every restart.
func nodeID(name string) string {
	sum := sha1.Sum([]byte("raftkv node " + name))
	return hex.EncodeToString(sum[:])
}

// cluster serves CLUSTER. Only leaders are advertised, unless the node is told
// otherwise: every node is a master of the slots whose groups it leads, since a node
// may lead some groups and follow others, and most clients know one role a node.
func cluster(c *conn, a [][]byte) kv.Reply {
	t := c.server.node.Topology()
	switch strings.ToLower(string(a[1])) {
	case "slots":
		return clusterSlots(t)
	case "shards":
		return clusterShards(t)
	case "nodes":
		return kv.Reply{Kind: kv.Verbatim, Str: []byte(clusterNodes(t))}
	case "info":
		return kv.Reply{Kind: kv.Verbatim, Str: []byte(clusterInfo(t))}
	case "myid", "myshardid":
		return kv.BulkString(nodeID(t.Self))
	case "links":
		return kv.ArrayReply()
	case "replicas", "slaves":
		return clusterReplicas(t, a[2])
	case "keyslot":
		return kv.IntReply(int64(shard.Slot(a[2])))
	case "countkeysinslot":
		return c.keysInSlot(a[2], nil)
	case "getkeysinslot":
		return c.keysInSlot(a[2], a[3])
	case "slot-stats":
		return c.slotStats(a)
	}
	return unknownSub(a)
}

// keysInSlot counts the keys of a slot, or lists some if limit is given.
func (c *conn) keysInSlot(slotArg, limitArg []byte) kv.Reply {
	slot, err := strconv.ParseInt(string(slotArg), 10, 64)
	limit := int64(0)
	if err == nil && limitArg != nil {
		limit, err = strconv.ParseInt(string(limitArg), 10, 64)
	}
	switch {
	case err != nil:
		return kv.ErrorReply("ERR value is not an integer or out of range")
	case limitArg != nil && (slot < 0 || slot >= shard.Slots || limit < 0):
		return kv.ErrorReply("ERR Invalid slot or number of keys")
	case slot < 0 || slot >= shard.Slots:
		return kv.ErrorReply("ERR Invalid slot")
	}
	route := c.server.node.Route(uint16(slot))
	if !route.Leader {
		// As a Redis node answers for a slot that it does not hold.
		if limitArg == nil {
			return kv.IntReply(0)
		}
		return kv.ArrayReply()
	}
	out := kv.Reply{Kind: kv.Array}
	n := 0
	failed := c.view(route.Group, func(x *command.Ctx) {
		if !route.Group.Serves(uint16(slot)) {
			return // it has gone: its keys, too, as far as they are not deleted yet
		}
		n = x.Store.SlotLen(uint16(slot))
		if limit == 0 {
			return
		}
		x.Store.AscendSlot(uint16(slot), func(key []byte, _ store.Item) bool {
			out.Elems = append(out.Elems, kv.BulkReply(key))
			return int64(len(out.Elems)) < limit
		})
	})
	switch {
	case failed != "":
		return failed.Reply()
	case limitArg == nil:
		return kv.IntReply(int64(n))
	}
	return out
}

// clusterReplicas lists none: CLUSTER NODES, whose lines these would be, shows each
// node as a master.
func clusterReplicas(t Topology, id []byte) kv.Reply {
	for _, n := range t.Nodes {
		if nodeID(n.ID) == string(id) {
			return kv.ArrayReply()
		}
	}
	return kv.ErrorReply(fmt.Sprintf("ERR Unknown node %s", id))
}

func clusterSlots(t Topology) kv.Reply {
	type served struct {
		slots shard.Range
		nodes []TopologyNode // the master first
	}
	var all []served
	for _, s := range t.Shards {
		for _, r := range s.Slots {
			all = append(all, served{r, t.nodesOf(s)})
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].slots.From() < all[j].slots.From() })
	out := kv.Reply{Kind: kv.Array}
	for _, s := range all {
		entry := kv.ArrayReply(kv.IntReply(int64(s.slots.From())), kv.IntReply(int64(s.slots.To())))
		for _, n := range s.nodes {
			entry.Elems = append(entry.Elems, slotsNode(n))
		}
		out.Elems = append(out.Elems, entry)
	}
	return out
}

// shards returns what CLUSTER SHARDS shows: a master with its replicas each. If
// replicas are not advertised, those are nodes that lead nothing, as in CLUSTER NODES:
// each has a copy of some of the slots, which CLUSTER SLOTS tells apart.
func (t Topology) shards() []TopologyShard {
	if t.EachGroup {
		return t.Shards
	}
	var out []TopologyShard
	for _, n := range t.Nodes {
		if n.Follows != "" {
			continue // it stands with its leader
		}
		s := TopologyShard{Slots: n.Slots, Leader: n.ID}
		for _, f := range t.Nodes {
			if f.Follows == n.ID {
				s.Replicas = append(s.Replicas, f.ID)
			}
		}
		out = append(out, s)
	}
	return out
}

// nodesOf returns a shard's nodes, the master first.
func (t Topology) nodesOf(s TopologyShard) (out []TopologyNode) {
	for _, id := range append([]string{s.Leader}, s.Replicas...) {
		for _, n := range t.Nodes {
			if n.ID == id {
				out = append(out, n)
			}
		}
	}
	return out
}

func slotsNode(n TopologyNode) kv.Reply {
	return kv.ArrayReply(kv.BulkString(n.Host), kv.IntReply(int64(n.Port)), kv.BulkString(nodeID(n.ID)), kv.Reply{Kind: kv.Map})
}

func clusterShards(t Topology) kv.Reply {
	out := kv.Reply{Kind: kv.Array}
	for _, s := range t.shards() {
		slots := kv.Reply{Kind: kv.Array}
		for _, r := range s.Slots {
			slots.Elems = append(slots.Elems, kv.IntReply(int64(r.From())), kv.IntReply(int64(r.To())))
		}
		nodes := kv.ArrayReply()
		for _, n := range t.nodesOf(s) {
			role := "replica"
			if n.ID == s.Leader {
				role = "master"
			}
			nodes.Elems = append(nodes.Elems, shardsNode(t, n, role))
		}
		out.Elems = append(out.Elems, kv.Reply{Kind: kv.Map, Elems: []kv.Reply{
			kv.BulkString("slots"), slots,
			kv.BulkString("nodes"), nodes,
		}})
	}
	return out
}

func shardsNode(t Topology, n TopologyNode, role string) kv.Reply {
	health := "online"
	if !n.Alive {
		health = "fail"
	}
	return kv.Reply{Kind: kv.Map, Elems: []kv.Reply{
		kv.BulkString("id"), kv.BulkString(nodeID(n.ID)),
		kv.BulkString("port"), kv.IntReply(int64(n.Port)),
		kv.BulkString("ip"), kv.BulkString(n.Host),
		kv.BulkString("endpoint"), kv.BulkString(n.Host),
		kv.BulkString("role"), kv.BulkString(role),
		kv.BulkString("replication-offset"), kv.IntReply(int64(t.Epoch)),
		kv.BulkString("health"), kv.BulkString(health),
	}}
}

func clusterNodes(t Topology) string {
	var b strings.Builder
	for _, n := range t.Nodes {
		flags, master, link := "master", "-", "connected"
		if n.Follows != "" {
			flags, master = "slave", nodeID(n.Follows)
		}
		if n.ID == t.Self {
			flags = "myself," + flags
		}
		if !n.Alive {
			flags, link = flags+",fail", "disconnected"
		}
		fmt.Fprintf(&b, "%s %s:%d@%d %s %s 0 0 %d %s", nodeID(n.ID), n.Host, n.Port, n.Bus, flags, master, t.Epoch, link)
		for _, r := range n.Slots {
			fmt.Fprintf(&b, " %s", r)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// clusterInfo counts slots as Redis does: those whose leader has failed are out of
// service, and with them the cluster. A leader that is said to be dead and is named
// nevertheless may live.
func clusterInfo(t Topology) string {
	served, doubtful, size := 0, 0, 0
	for _, n := range t.Nodes {
		for _, r := range n.Slots {
			served += r.Len()
			if !n.Alive {
				doubtful += r.Len()
			}
		}
		if len(n.Slots) > 0 {
			size++
		}
	}
	state := "ok"
	if served < shard.Slots {
		state = "fail"
	}
	return fmt.Sprintf("cluster_enabled:1\r\ncluster_state:%s\r\ncluster_slots_assigned:%d\r\ncluster_slots_ok:%d\r\ncluster_slots_pfail:%d\r\ncluster_slots_fail:%d\r\ncluster_known_nodes:%d\r\ncluster_size:%d\r\ncluster_current_epoch:%d\r\ncluster_my_epoch:%d\r\ncluster_stats_messages_sent:0\r\ncluster_stats_messages_received:0\r\ntotal_cluster_links_buffer_limit_exceeded:0\r\n",
		state, served+t.Unled, served-doubtful, doubtful, t.Unled, len(t.Nodes), size, t.Epoch, t.Epoch)
}
