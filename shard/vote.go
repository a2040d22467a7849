package shard

// ControllerVote tells whether a node votes in group 0, and whether that vote goes when
// the node drains: another could vote in its place, or the votes of others are enough
// without it. Of the others, those that are not alive do not count, and what drains
// takes no vote. As long as a vote can go, the node is not empty: whoever stopped some
// such nodes would leave group 0 without a quorum.
func (m *Map) ControllerVote(id string, alive func(*Node) bool) (votes, goes bool) {
	g := m.Group(Controller)
	if g == nil || g.On(id) == nil || !g.On(id).Voter {
		return false, false
	}
	voters, live, stay := 0, 0, 0 // without it
	for i := range m.Nodes {
		n := &m.Nodes[i]
		r := g.On(n.ID)
		voter := r != nil && r.Voter
		switch {
		case n.ID == id:
			continue
		case !voter && n.State != Draining && alive(n):
			return true, true
		case !voter:
			continue
		}
		voters++
		if alive(n) {
			live++
			if n.State != Draining {
				stay++
			}
		}
	}
	return true, stay > 0 && live >= voters/2+1
}
