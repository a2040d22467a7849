package node

import "github.com/hashicorp/raft"

// stepKind is what is done to a group's members.
type stepKind string

const (
	nothing  stepKind = ""
	add      stepKind = "add"       // as a member without a vote, or at its new address
	promote  stepKind = "promote"   // give it a vote
	record   stepKind = "record"    // tell the controller that it votes
	handOver stepKind = "hand over" // leadership, to a member that stays
	remove   stepKind = "remove"
)

// step is one change of a group's members.
type step struct {
	kind stepKind
	id   raft.ServerID
	addr raft.ServerAddress // of add
}

// wanted is a member that the map asks for.
type wanted struct {
	id    raft.ServerID
	addr  raft.ServerAddress
	voter bool // the controller knows of its vote
}

// membersView is what a leader sees when it compares its group's members with the
// map's.
type membersView struct {
	self     raft.ServerID
	want     []wanted
	have     []raft.Server
	voters   int // how many may vote
	mayVote  func(raft.ServerID) bool
	alive    func(raft.ServerID) bool
	caughtUp func(raft.ServerID) bool
}

// next returns the one change to make now. Raft changes one member at a time, and
// after each the next follows from what has come of it, so that any leader can go
// on at any point. A replica votes only when it has caught up, and none is removed
// whose absence would leave less than a living quorum.
func (v membersView) next() step {
	for _, w := range v.want {
		if s := v.find(w.id); s != nil && s.Address != w.addr {
			return step{add, w.id, w.addr}
		}
	}
	for _, s := range v.have {
		if v.wants(s.ID) == nil && !v.alive(s.ID) && v.mayGo(s) {
			return step{kind: remove, id: s.ID} // it only makes the quorum larger
		}
	}
	for _, w := range v.want {
		if v.find(w.id) != nil {
			continue
		}
		switch old := v.predecessor(w.id); {
		case old == nil:
			return step{add, w.id, w.addr}
		case old.ID == v.self:
			if next := v.handingOver(true); next.kind != nothing {
				return next
			}
		case v.mayGo(*old): // else it is raft that refuses two members at one address
			return step{kind: remove, id: old.ID}
		}
	}
	waiting := false
	for _, w := range v.want {
		switch s := v.find(w.id); {
		case s == nil:
			waiting = true
		case s.Suffrage == raft.Voter && !w.voter:
			return step{kind: record, id: w.id}
		case s.Suffrage == raft.Voter || v.voting() >= v.voters || !v.mayVote(w.id):
		case v.caughtUp(w.id) && v.alive(w.id): // it may have died since it caught up
			return step{kind: promote, id: w.id}
		default:
			waiting = true
		}
	}
	if waiting {
		return step{} // its successors are not ready
	}
	return v.removal()
}

// removal returns the next step towards the end of members that nobody wants, the
// leader last.
func (v membersView) removal() step {
	for _, s := range v.have {
		if v.wants(s.ID) == nil && s.ID != v.self && v.mayGo(s) {
			return step{kind: remove, id: s.ID}
		}
	}
	if v.find(v.self) == nil || v.wants(v.self) != nil {
		return step{}
	}
	return v.handingOver(false)
}

// predecessor returns the member that an earlier replica on id's node still is,
// or nil. It is lost, or will be closed.
func (v membersView) predecessor(id raft.ServerID) *raft.Server {
	for i := range v.have {
		if s := &v.have[i]; s.ID != id && nodeOf(s.ID) == nodeOf(id) && v.wants(s.ID) == nil {
			return s
		}
	}
	return nil
}

// handingOver lets another voter lead, as soon as there is one that can: one that
// stays or, for a while, any.
func (v membersView) handingOver(any bool) step {
	best := step{}
	for _, s := range v.have {
		if s.ID == v.self || s.Suffrage != raft.Voter || !v.alive(s.ID) || !v.caughtUp(s.ID) {
			continue
		}
		if v.wants(s.ID) != nil {
			return step{kind: handOver, id: s.ID}
		}
		if any {
			best = step{kind: handOver, id: s.ID}
		}
	}
	return best
}

// mayGo tells whether those who stay are a living quorum.
func (v membersView) mayGo(s raft.Server) bool {
	if s.ID == v.self {
		return false
	}
	if s.Suffrage != raft.Voter {
		return true
	}
	voters, living := 0, 0
	for _, other := range v.have {
		if other.ID == s.ID || other.Suffrage != raft.Voter {
			continue
		}
		voters++
		if v.alive(other.ID) {
			living++
		}
	}
	return voters > 0 && living >= voters/2+1
}

// voting counts the voters that the map wants.
func (v membersView) voting() (n int) {
	for _, s := range v.have {
		if s.Suffrage == raft.Voter && v.wants(s.ID) != nil {
			n++
		}
	}
	return n
}

func (v membersView) find(id raft.ServerID) *raft.Server {
	for i := range v.have {
		if v.have[i].ID == id {
			return &v.have[i]
		}
	}
	return nil
}

func (v membersView) wants(id raft.ServerID) *wanted {
	for i := range v.want {
		if v.want[i].id == id {
			return &v.want[i]
		}
	}
	return nil
}
