package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"raftkv/kv"
	"raftkv/kv/api"
	"raftkv/kv/fsm"
	"raftkv/kv/group"
	"raftkv/kv/transport"
	"raftkv/shard"
	"raftkv/shard/controller"
)

// What a person may order, of any node. An error is a kv.ReplyError: with the code
// ERR it is a refusal, and asking again will not help; CLUSTERDOWN says that
// nothing was done, UNCERTAIN that it may have been.
var _ api.Admin = (*Node)(nil)

// byPerson is the reason of what a person orders without giving one.
const byPerson = "ordered by a person"

// Change changes the map, by a command from package controller that may be carried
// out twice. It tries again until it knows the outcome or ctx ends. Afterwards this
// node's map has the change, if the controller still answers.
func (n *Node) Change(ctx context.Context, change []byte) (controller.Reply, error) {
	reply, _, err := n.order(ctx, change)
	if err == nil {
		n.readMap(ctx)
	}
	return reply, err
}

// order carries a change out. It tells whether one of its tries may have done what
// the next one found done.
func (n *Node) order(ctx context.Context, change []byte) (reply controller.Reply, unsure bool, err error) {
	change = controller.Because(byPerson, change)
	for {
		reply, err = n.control(ctx, change)
		var known kv.ReplyError
		var remote transport.RemoteError
		switch {
		case err == nil:
			reply.Changed = reply.Changed || unsure // a try whose answer was lost may have changed it
			return reply, unsure, nil
		case errors.As(err, &known):
			if known.Code() == "ERR" || known.Code() == fsm.ErrStale {
				return reply, unsure, known
			}
			unsure = unsure || known.Uncertain()
		case errors.Is(err, errNoController), errors.Is(err, errStarting), errors.As(err, &remote):
			// Whoever was asked has no leader's replica, or does not have it any more.
		default:
			unsure = true // the answer is lost
		}
		if pause(ctx, doRetry); ctx.Err() == nil {
			continue
		}
		if unsure {
			return reply, unsure, kv.Uncertain(err)
		}
		return reply, unsure, kv.ReplyError("CLUSTERDOWN " + err.Error())
	}
}

// readMap waits until this node's map is as new as the controller's was when it
// was called, and returns it.
func (n *Node) readMap(ctx context.Context) (*shard.Map, error) {
	for {
		err := error(kv.ErrNotReady)
		if g := n.group(shard.Controller); g != nil {
			if err = g.ReadIndex(ctx, group.Linearizable); err == nil {
				return g.State().Map(), nil
			}
		}
		if pause(ctx, doRetry); ctx.Err() != nil {
			return nil, err
		}
	}
}

// RemoveNode takes a node out of the cluster. It is refused while the node has
// replicas beside the controller's, and while it runs: it would join again.
func (n *Node) RemoveNode(ctx context.Context, id string) (reply controller.Reply, err error) {
	m, err := n.readMap(ctx)
	if err != nil {
		return reply, err
	}
	for _, g := range dataGroups(m) {
		if r := g.On(id); r != nil {
			return reply, refused("node %s still has replica %s of group %d; drain the node and wait until it is empty", id, r.ID, g.ID)
		}
	}
	if info := m.Node(id); info != nil && n.runs(ctx, info) {
		return reply, mustStop(m, n.bulletin.Load().Dead, id)
	}
	return n.Change(ctx, controller.RemoveNode(id))
}

// mustStop returns why a node without replicas of groups with slots cannot be removed
// while it runs, and what to do first: whoever stops several such nodes that vote in
// group 0 costs it its quorum.
func mustStop(m *shard.Map, dead []string, id string) error {
	votes, goes := m.ControllerVote(id, func(n *shard.Node) bool { return !slices.Contains(dead, n.ID) })
	switch {
	case goes:
		return refused("node %s runs and still votes in group 0; drain it and wait until others do without its vote (raftkv node drain %s --wait), then stop its process", id, id)
	case votes:
		return refused("node %s still runs, and votes in group 0, which too few other nodes answer to do without: add a node, or start those that are down, before you stop it", id)
	}
	return refused("node %s is empty but still runs, and would join again; stop its process first", id)
}

// runs tells whether a node answers.
func (n *Node) runs(ctx context.Context, info *shard.Node) bool {
	if info.ID == n.config.ID {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err := n.transport.Call(ctx, info.Peer, callHello, nil)
	return err == nil
}

// AddGroup makes a group with a replica on each of the nodes; with none given, on
// those that have the fewest.
func (n *Node) AddGroup(ctx context.Context, nodes []string) (controller.Reply, error) {
	for {
		m, err := n.readMap(ctx)
		if err != nil {
			return controller.Reply{}, err
		}
		on := nodes
		if len(on) == 0 {
			on = emptiest(m, n.bulletin.Load().Dead)
		}
		// Done twice it would make two groups. A map that has moved on may have this
		// one, if an answer was lost.
		reply, unsure, err := n.order(ctx, controller.At(m.Epoch, controller.AddGroup(on)))
		var known kv.ReplyError
		switch stale := errors.As(err, &known) && known.Code() == fsm.ErrStale; {
		case err == nil:
			n.readMap(ctx)
			return reply, nil
		case stale && unsure:
			return reply, kv.Uncertain(errors.New("the group may have been added; look at the list of groups before you add it again"))
		case stale && ctx.Err() == nil:
		default:
			return reply, err
		}
	}
}

// emptiest returns the nodes that a new group is best put on.
func emptiest(m *shard.Map, dead []string) []string {
	replicas := make(map[string]int)
	for _, g := range dataGroups(m) {
		for _, r := range g.Replicas {
			replicas[r.Node]++
		}
	}
	nodes := activeNodes(m, dead)
	slices.SortStableFunc(nodes, func(a, b string) int { return cmp.Compare(replicas[a], replicas[b]) })
	return nodes[:min(len(nodes), replicasWanted)]
}

// LetLead hands a group to the voter on a node. A group that is led there already
// stays so.
func (n *Node) LetLead(ctx context.Context, group uint32, node string) error {
	m, err := n.readMap(ctx)
	if err != nil {
		return err
	}
	if err := mayLead(m, group, node); err != nil {
		return err
	}
	for {
		if err = n.letLead(ctx, leadOrder{Group: group, Node: node}); err == nil {
			return nil
		}
		if pause(ctx, doRetry); ctx.Err() != nil {
			return kv.ReplyError("CLUSTERDOWN " + err.Error())
		}
	}
}

// mayLead returns why a node cannot lead a group, or nil.
func mayLead(m *shard.Map, group uint32, node string) error {
	g := m.Group(group)
	if g == nil {
		return refused("there is no group %d", group)
	}
	if m.Node(node) == nil {
		return refused("there is no node %s", node)
	}
	var voters []string
	for _, r := range g.Replicas {
		if r.Voter {
			voters = append(voters, r.Node)
		}
	}
	if !slices.Contains(voters, node) {
		return refused("node %s has no vote in group %d; it can be led by %s", node, group, strings.Join(voters, ", "))
	}
	return nil
}

// MoveSlots begins the migrations by which a group gets slots, one for each group
// that has some of them, or finds those that are under way. It begins none if it
// would have to refuse one.
func (n *Node) MoveSlots(ctx context.Context, slots []shard.Range, to uint32, reason string) (kv.Move, error) {
	reason = cmp.Or(reason, byPerson)
	var seen uint64 // epoch of the map that the last try was made by
	var failed error
	for {
		m, err := n.readMap(ctx)
		if err != nil {
			return kv.Move{}, cmp.Or(failed, err)
		}
		if failed != nil && m.Epoch == seen {
			return kv.Move{}, failed
		}
		move, missing, err := sortOut(m, slots, to)
		if err != nil {
			return kv.Move{}, err
		}
		for _, x := range missing {
			reply, _, err := n.order(ctx, controller.StartMigration(x.Slots, x.From, x.To, reason))
			if failed = err; err != nil {
				break // the map has moved on, perhaps by a first try whose answer was lost
			}
			x.Epoch, x.Reason = reply.Migration, reason
			move.Epoch = max(move.Epoch, reply.Epoch)
			move.Migrations = append(move.Migrations, x)
		}
		if failed == nil {
			n.readMap(ctx)
			return move, nil
		}
		seen = m.Epoch
	}
}

// CancelMigration undoes a migration. Of one that is not under way it tells whether it
// is over or never was, as far as the history goes back.
func (n *Node) CancelMigration(ctx context.Context, epoch uint64) (reply controller.Reply, err error) {
	m, err := n.readMap(ctx)
	if err != nil {
		return reply, err
	}
	if !began(m, epoch) && epoch < m.Epoch {
		switch was, err := n.Map(epoch); {
		case epoch == 0 || err == nil && !began(was, epoch):
			return reply, refused("there was no migration %d; the list of migrations shows those that are under way", epoch)
		case err == nil:
			return reply, refused("migration %d is over; move the slots back if they should be where they were", epoch)
		}
	}
	return n.Change(ctx, controller.CancelMigration(epoch))
}

// began tells whether a map has the migration that began at an epoch.
func began(m *shard.Map, epoch uint64) bool {
	return slices.ContainsFunc(m.Migrations, func(x shard.Migration) bool { return x.Epoch == epoch })
}

// sortOut tells which of the slots are where they shall go, which are on their way
// there, and which migrations are missing. Those have no epoch.
func sortOut(m *shard.Map, slots []shard.Range, to uint32) (move kv.Move, missing []shard.Migration, err error) {
	switch g := m.Group(to); {
	case to == shard.Controller:
		return move, nil, refused("group 0 holds the shard map and owns no slots; choose another group")
	case g == nil:
		return move, nil, refused("there is no group %d; add one, or choose another", to)
	case !g.Founded:
		return move, nil, refused("group %d has had no leader yet; wait a moment", to)
	}
	move = kv.Move{Epoch: m.Epoch, Migrations: []shard.Migration{}, There: []shard.Range{}}
	from := make(map[uint32][]shard.Range)
	for _, r := range slots {
		if r.From() > r.To() || r.To() >= shard.Slots {
			return move, nil, refused("slots %v: want a first and a last slot below %d", r, shard.Slots)
		}
	}
	for slot := range shard.Each(shard.Normalize(slices.Clone(slots))) {
		one, owner := shard.Range{slot, slot}, m.Owner[slot]
		switch x := m.Migrating(slot); {
		case owner == shard.Controller:
			return move, nil, refused("slot %d has no owner yet; a new cluster gives its slots out by itself, so wait a moment", slot)
		case x != nil && x.To == to && !x.Canceled:
			if !slices.ContainsFunc(move.Migrations, func(known shard.Migration) bool { return known.Epoch == x.Epoch }) {
				move.Migrations = append(move.Migrations, *x)
			}
		case x != nil && x.Canceled:
			return move, nil, refused("slot %d is in migration %d, which is being undone; wait until it has ended", slot, x.Epoch)
		case x != nil:
			return move, nil, refused("slot %d is being moved by migration %d to group %d; wait until it has ended, or cancel it", slot, x.Epoch, x.To)
		case owner == to:
			move.There = append(move.There, one)
		default:
			from[owner] = append(from[owner], one)
		}
	}
	move.There = shard.Normalize(move.There)
	for group, part := range from {
		missing = append(missing, shard.Migration{Slots: shard.Normalize(part), From: group, To: to})
	}
	slices.SortFunc(missing, func(a, b shard.Migration) int { return cmp.Compare(a.From, b.From) })
	return move, missing, nil
}

func refused(reason string, args ...any) kv.ReplyError {
	return kv.ReplyError("ERR " + fmt.Sprintf(reason, args...))
}
