package node

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"

	"raftkv/kv"
	"raftkv/kv/fault"
	"raftkv/kv/raftlog"
	"raftkv/kv/transport"
)

// errNoFaults refuses everything about faults on a node that must not be broken.
const errNoFaults = kv.ReplyError("ERR faults are not enabled on this node: start it with `raftkv serve --enable-faults`, or a local cluster with `raftkv up`")

// enableFaults makes the set of this node's faults, if that is permitted.
func (n *Node) enableFaults() {
	if !n.config.Faults {
		return
	}
	n.faults = fault.New(fault.Options{
		Node: n.config.ID, MinFree: n.config.MinFree, Now: n.config.Now, Body: faultBody{n}, Report: n.tellFault,
	})
	n.log.Warn("faults are enabled: whoever reaches this node may break it on purpose", "topic", "fault")
}

// tellFault is where the start and the end of every fault on this node pass through.
func (n *Node) tellFault(e fault.Event) {
	n.faultNews.add(e)
	n.reportNow()
	if e.Start {
		n.log.Warn("a fault begins", "topic", "fault", "id", e.ID, "fault", e.Fault)
		return
	}
	n.log.Warn("a fault ends", "topic", "fault", "id", e.ID, "fault", e.Fault, "reason", e.Reason)
}

// now is the node's clock, with what faults do to it.
func (n *Node) now() time.Time {
	if n.faults == nil {
		return n.config.Now()
	}
	return n.faults.Now()
}

// diskFaults returns what makes a group's disk fail, or nil.
func (n *Node) diskFaults(group uint32) raftlog.Faults {
	switch {
	case n.config.DiskFaults != nil:
		return n.config.DiskFaults
	case n.faults != nil:
		return n.faults.Disk(group)
	}
	return nil
}

func (n *Node) transportOptions() transport.Options {
	o := transport.Options{
		Addr: n.config.Peer, Node: n.config.ID, Cluster: n.cluster, Handle: n.serveCall, Pulse: n.pulse, Logger: n.log, Trace: n.trace,
	}
	if n.credentials != nil {
		o.Network = transport.TLS(n.credentials.Peers())
	}
	if n.faults != nil {
		o.Wrap, o.NodeAt = func(nc net.Conn, node func() string) net.Conn { return n.faults.Wrap(nc, node) }, n.nodeAt
	}
	return o
}

// nodeAt returns which node has a peer address, or "".
func (n *Node) nodeAt(peer string) string {
	for _, info := range n.shardMap().Nodes {
		if info.Peer == peer {
			return info.ID
		}
	}
	if name, ok := n.peerNames.Load(peer); ok {
		return name.(string) // no map has come yet
	}
	return ""
}

// Fault lets the cluster have a fault, by its line. One of processes is carried out
// by whoever runs them: nodes take note of it, and only if noted says that this is
// so. Any node may be asked; those that do not answer have no part in it.
func (n *Node) Fault(ctx context.Context, line string, noted bool) (out kv.FaultStatus, err error) {
	if n.faults == nil {
		return out, errNoFaults
	}
	f, err := fault.Parse(line)
	if err != nil {
		return out, refused("%v", err)
	}
	switch {
	case f.OfProcess() && !noted:
		return out, refused("%s is for whoever runs the processes: `raftkv fault %s`, on the machine of a cluster that `raftkv up` has started", f.Kind, f)
	case noted && !f.OfProcess():
		return out, refused("%s is for the nodes to do, not to note", f.Kind)
	}
	if f.Seed == 0 && f.ByChance() {
		f.Seed = 1 + rand.Uint64N(1_000_000)
	}
	m := n.shardMap()
	if m.Node(n.config.ID) == nil {
		return out, refused("%v", errStarting)
	}
	world := fault.World{Leader: n.leaderOf}
	for _, info := range m.Nodes {
		world.Nodes = append(world.Nodes, info.ID)
	}
	if f, err = f.Resolve(world); err != nil {
		return out, refused("%v", err)
	}
	order := fault.Order{ID: randomHex(3), Fault: f.String()}
	out = kv.FaultStatus{ID: order.ID, Fault: order.Fault, StartedMS: time.Now().UnixMilli(), Nodes: []string{}}
	if f.For > 0 {
		out.UntilMS = time.Now().Add(f.For).UnixMilli()
	}
	payload, err := json.Marshal(order)
	if err != nil {
		return out, err
	}
	var failed []error
	for _, a := range n.controlAll(ctx, callFault, payload) {
		switch {
		case a.err == nil && f.Once() && !f.Concerns(a.node):
		case a.err == nil:
			out.Nodes = append(out.Nodes, a.node)
			out.Result = cmp.Or(out.Result, string(a.answer))
		case refusal(a.err) || mustHave(&f, a.node):
			failed = append(failed, fmt.Errorf("%s: %w", a.node, a.err))
		}
	}
	if len(failed) > 0 {
		n.controlAll(ctx, callHeal, []byte(order.ID))
		return out, refused("nothing was broken: %v", errors.Join(failed...))
	}
	return out, nil
}

// mustHave tells whether a fault is nothing without this node.
func mustHave(f *fault.Fault, node string) bool {
	return !f.OfLinks() && !f.OfProcess() && len(f.Nodes) > 0 && f.Concerns(node)
}

// refusal tells whether a node has answered, and would not.
func refusal(err error) bool {
	var reply kv.ReplyError
	var remote transport.RemoteError
	return errors.As(err, &reply) || errors.As(err, &remote)
}

// Heal ends a fault by its id, or all if it is empty, on all nodes that answer. It
// returns their lines.
func (n *Node) Heal(ctx context.Context, id string) ([]string, error) {
	if n.faults == nil {
		return nil, errNoFaults
	}
	known, err := n.Faults(ctx)
	if err != nil {
		return nil, err
	}
	n.faults.Heal(id) // first of all: a node that starts meanwhile asks, or is told
	n.controlAll(ctx, callHeal, []byte(id))
	healed := []string{}
	for _, st := range known {
		if id == "" || st.ID == id {
			healed = append(healed, st.Fault)
		}
	}
	if id != "" && len(healed) == 0 {
		return nil, refused("no fault %s is active; `raftkv fault list` shows those that are", id)
	}
	return healed, nil
}

// Faults lists the faults that are active, by what all nodes that answer know.
func (n *Node) Faults(ctx context.Context) ([]kv.FaultStatus, error) {
	if n.faults == nil {
		return nil, errNoFaults
	}
	var lists [][]kv.FaultStatus
	for _, a := range n.controlAll(ctx, callFaults, nil) {
		var list []kv.FaultStatus
		if a.err == nil && json.Unmarshal(a.answer, &list) == nil {
			lists = append(lists, list)
		}
	}
	return fault.Merge(lists...), nil
}

// controlAnswer is what a node has answered.
type controlAnswer struct {
	node   string
	answer []byte
	err    error
}

// controlAll calls all nodes, this one included, on connections that no fault
// touches. The map alone would not do: a node that has just started has none yet.
func (n *Node) controlAll(ctx context.Context, method uint8, payload []byte) []controlAnswer {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	peers := n.knownPeers()
	out := make([]controlAnswer, len(peers), len(peers)+1)
	var asking sync.WaitGroup
	for i, peer := range peers {
		asking.Go(func() {
			out[i].node = n.nodeAt(peer)
			out[i].answer, out[i].err = n.transport.Control(ctx, peer, method, payload)
		})
	}
	answer, err := n.serveFaultCall(method, payload)
	asking.Wait()
	return append(out, controlAnswer{n.config.ID, answer, err})
}

// serveFaultCall answers another node about the faults here.
func (n *Node) serveFaultCall(method uint8, payload []byte) ([]byte, error) {
	if n.faults == nil {
		return nil, errNoFaults
	}
	switch method {
	case callHeal:
		return json.Marshal(n.faults.Heal(string(payload)))
	case callFaults:
		return json.Marshal(n.faults.List())
	case callLasting:
		return json.Marshal(lasting{Node: n.config.ID, Orders: n.faults.Lasting(), Healed: n.faults.Healed()})
	}
	var order fault.Order
	if err := json.Unmarshal(payload, &order); err != nil {
		return nil, fmt.Errorf("an order for a fault: %w", err)
	}
	result, err := n.faults.Start(order)
	return []byte(result), err
}

// lasting is a node's answer to callLasting.
type lasting struct {
	Node   string           `json:"node"`
	Orders []fault.Order    `json:"orders"`
	Healed []fault.Recovery `json:"healed"`
}

// learnFaults asks the others for the faults that this node has had before it ended:
// a link that is cut stays so when a process at its end starts again.
//
// A fault may be healed meanwhile. Who heals it has remembered that before it told
// others, and this node could be told before it asks: so it hears of it in one way or
// the other, and begins nothing before all have answered.
func (n *Node) learnFaults(ctx context.Context) {
	if n.faults == nil {
		return
	}
	var orders []fault.Order
	for _, peer := range n.knownPeers() {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		answer, err := n.transport.Control(ctx, peer, callLasting, nil)
		cancel()
		var has lasting
		if err != nil || json.Unmarshal(answer, &has) != nil {
			continue
		}
		n.peerNames.Store(peer, has.Node)
		n.faults.LearnHealed(has.Healed)
		orders = append(orders, has.Orders...)
	}
	for _, order := range orders {
		if _, err := n.faults.Start(order); err != nil {
			n.log.Warn("a fault that others have could not begin", "topic", "fault", "fault", order.Fault, "error", err)
		}
	}
}

// redisFaults is RAFTKV.FAULT.
type redisFaults struct{ n *Node }

// Order begins faults, lists or heals them; see the command's summary.
func (r redisFaults) Order(ctx context.Context, words []string) ([]string, error) {
	switch strings.ToLower(words[0]) {
	case "list":
		list, err := r.n.Faults(ctx)
		out := []string{}
		for _, st := range list {
			out = append(out, st.ID+" "+st.Fault)
		}
		return out, err
	case "heal":
		id := ""
		if len(words) > 1 {
			id = words[1]
		}
		return r.n.Heal(ctx, id)
	}
	st, err := r.n.Fault(ctx, strings.Join(words, " "), false)
	if err != nil {
		return nil, err
	}
	out := []string{st.ID + " " + st.Fault}
	if st.Result != "" {
		out = append(out, st.Result)
	}
	return out, nil
}
