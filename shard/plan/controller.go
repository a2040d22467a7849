package plan

import "raftkv/shard"

// controller keeps a replica of group 0 on every node, so that every node can
// route, and takes votes from nodes that are dead or drain once others have them.
func (p *planner) controller() {
	record := p.in.Map.Group(shard.Controller)
	if record == nil || !record.Founded {
		return
	}
	g := p.view(record)
	if c := p.count(&g); !c.works() || g.leader < 0 {
		p.note("group 0: %d of %d voters live, and a leader is needed: its members stay as they are", c.liveVoters, c.voters)
		return
	}
	for i := range p.nodes {
		if n := &p.nodes[i]; n.ready() && g.On(n.ID) == nil && !p.full() {
			p.do(Action{Kind: AddReplica, Group: g.ID, Node: n.ID, Reason: "every node keeps the shard map"})
		}
	}
	if to := p.successor(&g); to >= 0 && p.nodes[g.leader].State == shard.Draining {
		p.do(Action{Kind: TransferLeader, Group: g.ID, Node: p.nodes[to].ID, Reason: p.nodes[g.leader].ID + " is draining"})
		return
	}
	for i, r := range g.Replicas {
		n := &p.nodes[g.on[i]]
		// A copy without a vote costs nothing, and goes with its node. A dead one's is of
		// use when the node comes back; a draining one asks for another copy as long as it
		// runs, since it routes clients. It gets that without a vote, so only the vote is
		// taken, and not before its last replica has left: it must follow the map for that.
		if n.usable() || !r.Voter || n.State == shard.Draining && n.replicas > 0 {
			continue
		}
		if p.removable(&g, i, p.opt.ControllerVoters) {
			p.do(Action{Kind: RemoveReplica, Group: g.ID, Node: n.ID, Replica: r.ID, Reason: p.why(n) + ", and enough others vote"})
			return
		}
	}
}

// Promotable returns the ids of the replicas of a group of which the next that has
// caught up is to vote. It does not know which lag behind, so it names all that
// could, and wants to be asked again after each vote. Group 0 has no more voters on
// usable nodes than Options.ControllerVoters: those on others count as lost, or
// they would keep the seats of their successors. Other groups want every replica
// to vote.
func Promotable(in Input, id uint32) []string {
	record := in.Map.Group(id)
	if record == nil {
		return nil
	}
	p := &planner{in: in, opt: in.Options.withDefaults(len(in.Map.Nodes))}
	for i := range in.Map.Nodes {
		p.nodes = append(p.nodes, p.look(&in.Map.Nodes[i]))
	}
	g := p.view(record)
	votes := 0
	for i, r := range g.Replicas {
		if r.Voter && p.nodes[g.on[i]].usable() {
			votes++
		}
	}
	if id == shard.Controller && votes >= p.opt.ControllerVoters {
		return nil
	}
	var out []string
	for i, r := range g.Replicas {
		if !r.Voter && p.nodes[g.on[i]].ready() {
			out = append(out, r.ID)
		}
	}
	return out
}
