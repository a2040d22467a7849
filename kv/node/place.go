package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"raftkv/kv/group"
	"raftkv/shard"
	"raftkv/shard/controller"
)

const (
	// placeTimeout bounds being recorded in the map.
	placeTimeout = 10 * time.Second
	// retryInterval is how long a node waits before it tries again what failed.
	retryInterval = 200 * time.Millisecond
	// lostAfter is how long the controller's group may have no leader before the
	// node asks others about it: its replica may have been replaced.
	lostAfter = 2 * time.Second
)

// placeRequest asks for a place in the cluster.
type placeRequest struct {
	Node shard.Node `json:"node"`
	// Replica is the id of the node's replica of group 0, "" if it has none or has
	// lost it.
	Replica string `json:"replica"`
}

// place is what a node needs for taking part.
type place struct {
	Cluster string  `json:"cluster"`
	Replica string  `json:"replica"` // the id of its replica of group 0, or of the last one while raft counts on that
	Initial initial `json:"initial"`
}

// info is what this node tells others about itself.
func (n *Node) info() shard.Node {
	return shard.Node{
		ID: n.config.ID, Redis: n.config.Redis, HTTP: n.config.HTTP, Peer: n.config.Peer,
		Incarnation: n.identity.Incarnation, State: shard.Active,
	}
}

// sameNode tells whether a record says of a node what it says itself.
func sameNode(record *shard.Node, info shard.Node) bool {
	if record == nil {
		return false
	}
	info.State = record.State // the controller's business
	return *record == info
}

// recorded tells whether a map has this node with this data folder. Maps that do
// not say nothing of what lies here.
func (n *Node) recorded(m *shard.Map) bool {
	record := m.Node(n.config.ID)
	return record != nil && record.Incarnation == n.identity.Incarnation
}

// isMember tells whether the map has this node as it is.
func (n *Node) isMember() bool { return sameNode(n.shardMap().Node(n.config.ID), n.info()) }

// noPlace is what a node complains of until it has one.
const noPlace = "no place in the cluster yet, trying on"

// keepPlace sees to it that this node is recorded as it is, and has the replica of
// group 0 that the map gives it. Then the map comes by itself, and tells the rest.
func (n *Node) keepPlace(ctx context.Context) {
	if n.isMember() && n.hearsController() {
		n.rememberPlace()
		return
	}
	got, err := n.askPlace(ctx)
	if ctx.Err() != nil {
		return
	}
	n.logFailure(noPlace, shard.Controller, err)
	if err == nil && got.Replica != n.place.Load().Replica {
		n.place.Store(&got)
		n.nudge()
	}
}

// hearsController tells whether the replica of group 0 has had a leader lately.
func (n *Node) hearsController() bool {
	if g := n.group(shard.Controller); g != nil && g.Leader() != "" {
		n.heardController = time.Now()
	}
	return time.Since(n.heardController) < lostAfter
}

// askPlace asks any node that can be reached for this one's place.
func (n *Node) askPlace(ctx context.Context) (got place, err error) {
	ctx, cancel := context.WithTimeout(ctx, placeTimeout)
	defer cancel()
	request := placeRequest{Node: n.info(), Replica: n.place.Load().Replica}
	if g := n.group(shard.Controller); g != nil && g.Serving() {
		answer, err := n.admit(ctx, request)
		if err != nil {
			return got, err
		}
		return got, json.Unmarshal(answer, &got)
	}
	payload, err := json.Marshal(request)
	if err != nil {
		return got, err
	}
	errs := []error{errors.New("no node of the cluster could be asked")}
	for _, peer := range n.knownPeers() {
		answer, err := n.transport.Call(ctx, peer, callPlace, payload)
		if err == nil {
			err = json.Unmarshal(answer, &got)
		}
		if err == nil {
			err = n.enterCluster(got)
		}
		if err == nil {
			return got, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", peer, err))
	}
	if len(errs) > 1 {
		errs = errs[1:]
	}
	return got, errors.Join(errs...)
}

// knownPeers lists where the cluster may be found, best guess first.
func (n *Node) knownPeers() []string {
	var out []string
	add := func(peer string) {
		if peer != "" && peer != n.config.Peer && !slices.Contains(out, peer) {
			out = append(out, peer)
		}
	}
	if g := n.group(shard.Controller); g != nil {
		add(string(g.LeaderPeer()))
		for _, s := range g.Servers() {
			add(string(s.Address))
		}
	}
	for _, node := range n.shardMap().Nodes {
		add(node.Peer)
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

// enterCluster notes durably which cluster the folder belongs to, before anything
// of it is stored.
func (n *Node) enterCluster(by place) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch n.identity.Cluster {
	case by.Cluster:
		return nil
	case "":
		n.identity.Cluster, n.identity.Initial = by.Cluster, by.Initial
		return n.identity.write(n.config.Dir)
	}
	return fmt.Errorf("it belongs to cluster %s and this data folder to cluster %s", by.Cluster, n.identity.Cluster)
}

// admit records a node in the map and tells its place, on the controller's leader;
// elsewhere it passes the request on. Idempotent.
func (n *Node) admit(ctx context.Context, request placeRequest) ([]byte, error) {
	g := n.group(shard.Controller)
	if g == nil {
		return nil, errStarting
	}
	if !g.Serving() {
		leader := string(g.LeaderPeer())
		if leader == "" || leader == n.config.Peer {
			return nil, errNoController
		}
		payload, err := json.Marshal(request)
		if err != nil {
			return nil, err
		}
		return n.transport.Call(ctx, leader, callPlace, payload)
	}
	// An old leader's map would tell nodes to throw away what they still need.
	if err := g.ReadIndex(ctx, group.Linearizable); err != nil {
		return nil, err
	}
	replica, err := n.giveReplica(ctx, g, request)
	if err != nil {
		return nil, err
	}
	if has := request.Replica; has != "" && has != replica {
		servers, err := g.SettledServers()
		if err != nil {
			return nil, err
		}
		if slices.Contains(replicaIDs(servers), has) {
			replica = has // the quorum may need it until it is removed
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return json.Marshal(place{Cluster: n.identity.Cluster, Replica: replica, Initial: n.identity.Initial})
}

// giveReplica makes the map have a node as it says it is, and returns the id of
// its replica of group 0.
func (n *Node) giveReplica(ctx context.Context, g *group.Group, request placeRequest) (string, error) {
	m, info := g.State().Map(), request.Node
	if m.Group(shard.Controller) == nil && info.ID != n.config.ID {
		// The replica that the cluster begins with is named as the first change of the
		// map names it, which must be this node's record.
		if _, err := n.changeMap(ctx, controller.PutNode(n.info())); err != nil {
			return "", err
		}
		m = g.State().Map()
	}
	if err := n.refuseTwin(ctx, m, info); err != nil {
		return "", err
	}
	of := func(m *shard.Map) *shard.Replica {
		if g := m.Group(shard.Controller); g != nil {
			return g.On(info.ID)
		}
		return nil
	}
	old := m.Node(info.ID)
	if had := of(m); had != nil && old.Incarnation == info.Incarnation && request.Replica == "" {
		// The folder is the same and the replica is gone. If it only has not heard of
		// its id yet, another one is as good.
		if _, err := n.changeMap(ctx, controller.Because("the node has no files of it", controller.ReplaceReplica(shard.Controller, had.ID))); err != nil {
			return "", err
		}
	}
	switch {
	case !sameNode(old, info):
		if _, err := n.changeMap(ctx, controller.PutNode(info)); err != nil {
			return "", err
		}
	case of(m) == nil:
		// Its vote was taken, and PutNode might give it one: whoever drains would lose
		// and get it for ever.
		if _, err := n.changeMap(ctx, controller.Because("every node keeps the shard map", controller.AddReplica(shard.Controller, info.ID))); err != nil {
			return "", err
		}
	}
	r := of(g.State().Map())
	if r == nil {
		return "", fmt.Errorf("node %s has just been removed; start it again to let it join", info.ID)
	}
	return r.ID, nil
}

// refuseTwin protects a live node from another one that was started with the
// same id and an empty folder.
func (n *Node) refuseTwin(ctx context.Context, m *shard.Map, info shard.Node) error {
	old := m.Node(info.ID)
	if old == nil || old.Incarnation == info.Incarnation {
		return nil
	}
	running := fmt.Errorf("a node with id %s is running at %s: choose another --id", old.ID, old.Peer)
	if old.ID == n.config.ID {
		return running
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	answer, err := n.transport.Call(ctx, old.Peer, callHello, nil)
	var live hello
	if err == nil && json.Unmarshal(answer, &live) == nil && live.Incarnation == old.Incarnation {
		return running
	}
	return nil
}

// rememberPlace keeps in node.json where the node listens and where the others
// do, and that the cluster has begun.
func (n *Node) rememberPlace() {
	var peers []string
	for _, node := range n.shardMap().Nodes {
		if node.ID != n.config.ID {
			peers = append(peers, node.Peer)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	id := n.identity
	if !id.Bootstrap && slices.Equal(peers, id.Peers) && id.Redis == n.config.Redis && id.HTTP == n.config.HTTP && id.Peer == n.config.Peer {
		return
	}
	id.Bootstrap, id.Peers = false, peers
	id.Redis, id.HTTP, id.Peer = n.config.Redis, n.config.HTTP, n.config.Peer
	if err := id.write(n.config.Dir); err != nil {
		n.log.Warn("node.json could not be written", "topic", "node", "error", err)
	}
}
