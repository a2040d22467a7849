package shard

// enoughVotes is with how many votes of other nodes group 0 can do without one more:
// with fewer it would not survive the loss of any.
const enoughVotes = 3

// ControllerVote tells whether a node votes in group 0, and whether that vote goes to
// others when the node drains: one of them could vote in its place, or enough do. Of
// the others those count that are usable and do not drain.
func (m *Map) ControllerVote(id string, usable func(*Node) bool) (votes, goes bool) {
	g := m.Group(Controller)
	if g == nil || g.On(id) == nil || !g.On(id).Voter {
		return false, false
	}
	others := 0
	for i := range m.Nodes {
		n := &m.Nodes[i]
		if n.ID == id || n.State == Draining || !usable(n) {
			continue
		}
		if r := g.On(n.ID); r == nil || !r.Voter {
			return true, true
		}
		others++
	}
	return true, others >= enoughVotes
}
