package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/kv/fsm"
	"raftkv/kv/group"
	"raftkv/shard"
)

// joinRetry is how long a node waits before it tries its peers again.
const joinRetry = 200 * time.Millisecond

// info is what this node tells others about itself.
func (n *Node) info() fsm.NodeInfo {
	return fsm.NodeInfo{
		ID:      n.config.ID,
		Replica: n.identity.Replica,
		Redis:   n.config.Redis,
		HTTP:    n.config.HTTP,
		Peer:    n.config.Peer,
	}
}

// keepMembership runs until ctx ends: it makes this node a member of its
// cluster and keeps the directory's record of it true. Nothing needs to be done
// once both are so; it looks again whenever the directory may have changed.
func (n *Node) keepMembership(ctx context.Context) {
	ticker := time.NewTicker(joinRetry)
	defer ticker.Stop()
	reported := ""
	for {
		if !n.isMember() {
			err := n.join(ctx)
			switch {
			case err == nil:
				n.log.Info("member of the cluster", "topic", "membership", "cluster", n.cluster(), "replica", n.identity.Replica)
				n.recordJoined()
				reported = ""
			case ctx.Err() == nil && err.Error() != reported:
				reported = err.Error()
				n.log.Warn("not a member yet, trying on", "topic", "membership", "error", err)
			}
		} else {
			n.recordPeers()
		}
		if err := n.establish(); err != nil && ctx.Err() == nil {
			n.log.Warn("the group is not set up yet, trying on", "topic", "membership", "error", err)
		}
		select {
		case <-ticker.C:
		case <-n.wake:
		case <-ctx.Done():
			return
		}
	}
}

// firstEpoch is that of the first ownership of slots.
const firstEpoch = 1

// establish gives a new group its slots, and keeps the limit of values in its
// log equal to the leader's. Only on the leader.
func (n *Node) establish() error {
	g := n.group(dataGroup)
	if g == nil || !g.Serving() {
		return nil
	}
	if g.State().MaxValue() != n.config.MaxValue {
		if err := g.Admin(fsm.LimitValue(n.config.MaxValue)); err != nil {
			return err
		}
	}
	if _, epoch := g.State().Ownership(); epoch == 0 {
		n.log.Info("the new group takes all slots", "topic", "membership", "group", g.ID(), "epoch", firstEpoch)
		return g.Admin(fsm.OwnSlots(firstEpoch, shard.All))
	}
	return nil
}

// isMember tells whether the directory has this node as it is.
func (n *Node) isMember() bool {
	g := n.group(dataGroup)
	return g != nil && slices.Contains(g.State().Nodes(), n.info())
}

// join asks any node that can be reached to make this one a member.
func (n *Node) join(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	if g := n.group(dataGroup); g.Serving() {
		_, err := n.admit(ctx, n.info())
		return err
	}
	request, err := json.Marshal(n.info())
	if err != nil {
		return err
	}
	errs := []error{errors.New("no node of the cluster could be asked")}
	for _, peer := range n.knownPeers() {
		answer, err := n.transport.Call(ctx, peer, callJoin, request)
		if err == nil {
			err = n.enterCluster(answer)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", peer, err))
			continue
		}
		return nil
	}
	if len(errs) > 1 {
		errs = errs[1:]
	}
	return errors.Join(errs...)
}

// knownPeers lists where the cluster may be found, best guess first.
func (n *Node) knownPeers() []string {
	var out []string
	add := func(peer string) {
		if peer != "" && peer != n.config.Peer && !slices.Contains(out, peer) {
			out = append(out, peer)
		}
	}
	if g := n.group(dataGroup); g != nil {
		add(string(g.LeaderPeer()))
		for _, node := range g.State().Nodes() {
			add(node.Peer)
		}
		for _, s := range g.Servers() {
			add(string(s.Address))
		}
	}
	for _, p := range n.config.Join {
		add(p)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.identity.Peers {
		add(p)
	}
	return out
}

// enterCluster takes the cluster id from the answer to a join.
func (n *Node) enterCluster(answer []byte) error {
	var by hello
	if err := json.Unmarshal(answer, &by); err != nil {
		return fmt.Errorf("answer to join: %w", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.identity.Cluster == "" {
		n.identity.Cluster = by.Cluster
	}
	if n.identity.Cluster != by.Cluster {
		return fmt.Errorf("it belongs to cluster %s and this data folder to cluster %s", by.Cluster, n.identity.Cluster)
	}
	return nil
}

// admit makes a node a member, on the leader; elsewhere it passes the request
// on to the leader. It answers who admitted. Idempotent.
func (n *Node) admit(ctx context.Context, info fsm.NodeInfo) ([]byte, error) {
	g := n.group(dataGroup)
	if g == nil {
		return nil, errors.New("this node is starting; try again")
	}
	if !g.Serving() {
		leader := string(g.LeaderPeer())
		if leader == "" || leader == n.config.Peer {
			return nil, errors.New("the cluster has no leader now; try again")
		}
		request, err := json.Marshal(info)
		if err != nil {
			return nil, err
		}
		return n.transport.Call(ctx, leader, callJoin, request)
	}
	// One at a time: raft changes its membership one server at a time anyway.
	select {
	case n.admitting <- struct{}{}:
		defer func() { <-n.admitting }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := n.refuseTwin(ctx, g, info); err != nil {
		return nil, err
	}
	if err := g.AddReplica(ctx, raft.ServerID(info.Replica), raft.ServerAddress(info.Peer), predecessors(g, info)); err != nil {
		return nil, err
	}
	if !slices.Contains(g.State().Nodes(), info) {
		if err := g.Admin(fsm.SetNode(info)); err != nil {
			return nil, err
		}
	}
	return json.Marshal(n.hello())
}

// predecessors are replicas of the same node under an earlier id: their disk
// was lost.
func predecessors(g *group.Group, info fsm.NodeInfo) []raft.ServerID {
	var out []raft.ServerID
	for _, s := range g.Servers() {
		if nodeOf(s.ID) == info.ID && s.ID != raft.ServerID(info.Replica) {
			out = append(out, s.ID)
		}
	}
	return out
}

// refuseTwin protects a live node from another one that was started with the
// same id and an empty folder.
func (n *Node) refuseTwin(ctx context.Context, g *group.Group, info fsm.NodeInfo) error {
	if info.ID == n.config.ID && info.Replica != n.identity.Replica {
		return fmt.Errorf("a node with id %s is running at %s: choose another --id", n.config.ID, n.config.Peer)
	}
	for _, old := range g.State().Nodes() {
		if old.ID != info.ID || old.Replica == info.Replica {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		answer, err := n.transport.Call(ctx, old.Peer, callHello, nil)
		var live hello
		if err == nil && json.Unmarshal(answer, &live) == nil && live.Replica == old.Replica {
			return fmt.Errorf("a node with id %s is running at %s: choose another --id", old.ID, old.Peer)
		}
	}
	return nil
}

// recordJoined remembers that the folder belongs to the cluster.
func (n *Node) recordJoined() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.identity.Joined = true
	n.identity.Redis, n.identity.HTTP, n.identity.Peer = n.config.Redis, n.config.HTTP, n.config.Peer
	n.saveIdentity()
}

// recordPeers keeps the peer addresses in node.json fresh.
func (n *Node) recordPeers() {
	var peers []string
	for _, node := range n.group(dataGroup).State().Nodes() {
		if node.ID != n.config.ID {
			peers = append(peers, node.Peer)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if !slices.Equal(peers, n.identity.Peers) {
		n.identity.Peers = peers
		n.saveIdentity()
	}
}

// saveIdentity must be called with mu held.
func (n *Node) saveIdentity() {
	if err := n.identity.write(n.config.Dir); err != nil {
		n.log.Warn("node.json could not be written", "topic", "node", "error", err)
	}
}
