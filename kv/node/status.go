package node

import (
	"cmp"
	"context"
	"encoding/json"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/kv"
	"raftkv/kv/fault"
	"raftkv/kv/group"
	"raftkv/shard"
)

// statusTimeout bounds how long another node may take to describe itself.
const statusTimeout = time.Second

// localStatus is what a node knows of itself and of its groups.
type localStatus struct {
	Node   kv.NodeStatus    `json:"node"`
	Epoch  uint64           `json:"epoch"` // of the newest map that it has
	Groups []localGroup     `json:"groups"`
	Faults []kv.FaultStatus `json:"faults"`
}

type localGroup struct {
	ID      uint32            `json:"id"`
	Leader  string            `json:"leader"` // node id
	Serving bool              `json:"serving"`
	Slots   []shard.Range     `json:"slots"`
	Replica kv.ReplicaStatus  `json:"replica"`
	Matches map[string]uint64 `json:"matches"` // by replica id, on the leader
	Members []string          `json:"members"` // replica ids
}

func (n *Node) localStatus() localStatus {
	s := localStatus{Epoch: n.shardMap().Epoch, Node: kv.NodeStatus{
		ID: n.config.ID, Redis: n.config.Redis, HTTP: n.config.HTTP, Peer: n.config.Peer,
		PID: os.Getpid(), State: kv.NodeUp, Version: n.config.Version, UptimeMS: time.Since(n.started).Milliseconds(),
		Memory: residentMemory(), Disk: diskUsage(n.config.Dir), DiskFree: diskFree(n.config.Dir),
	}}
	if err := n.Failure(); err != nil {
		s.Node.Problem = err.Error()
	}
	s.Node.Unsafe = n.config.Unsafe
	if n.faults != nil {
		s.Faults = n.faults.List()
	}
	for _, g := range *n.groups.Load() {
		s.Groups = append(s.Groups, n.localGroup(g))
		if err := g.Writable(); err != nil && s.Node.Problem == "" {
			s.Node.Problem = err.Error()
		}
	}
	return s
}

func (n *Node) localGroup(g *group.Group) localGroup {
	slots, _ := g.State().Ownership()
	out := localGroup{
		ID: g.ID(), Leader: nodeOf(g.Leader()), Serving: g.Serving(), Slots: slots,
		Replica: g.Status(n.config.ID), Matches: make(map[string]uint64), Members: replicaIDs(g.Servers()),
	}
	for id, match := range g.Matches() {
		out.Matches[string(id)] = match
	}
	return out
}

// Status describes the cluster: every node is asked, and those that do not
// answer within a second are shown as unreachable.
func (n *Node) Status(ctx context.Context) kv.Status {
	all := n.askAll(ctx)
	var status kv.Status
	groups := make(map[uint32]*kv.GroupStatus)
	var faults [][]kv.FaultStatus
	for _, s := range all {
		faults = append(faults, s.Faults)
		status.Nodes = append(status.Nodes, s.Node)
		status.Epoch = max(status.Epoch, s.Epoch)
		for _, g := range s.Groups {
			known := groups[g.ID]
			if known == nil {
				known = &kv.GroupStatus{ID: g.ID}
				groups[g.ID] = known
			}
			known.Replicas = append(known.Replicas, g.Replica)
			// Whoever serves as leader in the newest term knows best.
			if g.Replica.Term > known.Term || g.Replica.Term == known.Term && g.Serving {
				known.Term, known.Leader, known.Slots, known.Keys = g.Replica.Term, g.Leader, g.Slots, g.Replica.Keys
			}
		}
	}
	for _, g := range groups {
		completeGroup(g, all)
		status.Groups = append(status.Groups, *g)
	}
	status.Faults = fault.Merge(faults...)
	slices.SortFunc(status.Groups, func(a, b kv.GroupStatus) int { return cmp.Compare(a.ID, b.ID) })
	return status
}

// completeGroup adds replicas whose nodes are silent, and what the leader knows.
func completeGroup(g *kv.GroupStatus, all []localStatus) {
	for _, s := range all {
		for _, local := range s.Groups {
			if local.ID != g.ID || !local.Serving || local.Replica.Term != g.Term {
				continue
			}
			for _, member := range local.Members {
				at := slices.IndexFunc(g.Replicas, func(r kv.ReplicaStatus) bool { return r.Replica == member })
				if at < 0 {
					g.Replicas = append(g.Replicas, kv.ReplicaStatus{Node: nodeOf(raft.ServerID(member)), Replica: member, Role: kv.RoleUnknown})
					at = len(g.Replicas) - 1
				}
				g.Replicas[at].Match = local.Matches[member]
			}
		}
	}
	slices.SortFunc(g.Replicas, func(a, b kv.ReplicaStatus) int {
		return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Replica, b.Replica))
	})
}

// askAll asks all nodes of the map, this one included, in order of id.
func (n *Node) askAll(ctx context.Context) []localStatus {
	self := n.localStatus()
	all := []localStatus{self}
	var mu sync.Mutex
	var asking sync.WaitGroup
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	for _, info := range n.shardMap().Nodes {
		if info.ID == n.config.ID {
			continue
		}
		asking.Go(func() {
			s := localStatus{Epoch: n.shardMap().Epoch, Node: kv.NodeStatus{ID: info.ID, Redis: info.Redis, HTTP: info.HTTP, Peer: info.Peer, State: kv.NodeUnreachable}}
			answer, err := n.transport.Call(ctx, info.Peer, callStatus, nil)
			if err == nil {
				err = json.Unmarshal(answer, &s)
			}
			if err != nil {
				s.Node.Problem = err.Error()
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, s)
		})
	}
	asking.Wait()
	slices.SortFunc(all, func(a, b localStatus) int { return cmp.Compare(a.Node.ID, b.Node.ID) })
	return all
}

// Ready returns nil if the node is a member and can serve linearizable reads of
// all groups that have a voter here now: itself, or by asking their leaders; and if
// all slots have an owner. A cluster all of whose nodes are ready serves all slots.
func (n *Node) Ready(ctx context.Context) error {
	if err := n.Failure(); err != nil {
		return err
	}
	controller := n.group(shard.Controller)
	if controller == nil {
		return n.notPlaced() // or its replica here is being replaced
	}
	if !sameNode(controller.State().Map().Node(n.config.ID), n.info()) {
		return n.notPlaced()
	}
	if err := controller.ReadIndex(ctx, group.Linearizable); err != nil {
		return err
	}
	m := controller.State().Map()
	if slices.Contains(m.Owner[:], shard.Controller) {
		return kv.ErrUnserved // a new cluster whose slots are not given out yet
	}
	for i := range m.Groups {
		placed := &m.Groups[i]
		r := placed.On(n.config.ID)
		if r == nil || !r.Voter || placed.ID == shard.Controller {
			continue
		}
		g := n.group(placed.ID)
		if g == nil || string(g.Replica()) != r.ID {
			return kv.ErrNotReady
		}
		if err := g.ReadIndex(ctx, group.Linearizable); err != nil {
			return err
		}
		if len(g.State().Untouched(m.SlotsOf(placed.ID))) > 0 {
			return kv.ErrUnserved // a new group that has not taken its slots yet
		}
	}
	return nil
}

// notPlaced says why the node has no place in its cluster yet.
func (n *Node) notPlaced() error {
	why := n.complaint(noPlace, shard.Controller)
	if why == "" {
		why = errStarting.Error()
	}
	return kv.ReplyError("CLUSTERDOWN this node has no place in its cluster yet: " + why)
}
