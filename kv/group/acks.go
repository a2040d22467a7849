package group

import (
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// acks remembers, for each peer, when the newest AppendEntries was sent that
// the peer has answered in the leader's term. From that follows until when
// leadership is confirmed: if a quorum of voters answered, in term T, requests
// sent at or after t, then at t no later term had a leader whose writes could
// be missing from a read of term T.
//
// raft's own VerifyLeader does not give that: a heartbeat sent before the read
// can satisfy it, and it counts non-voters.
type acks struct {
	mu    sync.Mutex
	self  raft.ServerID
	peers map[raft.ServerID]ack
	moved chan struct{} // closed and replaced when an ack comes in, or by wake; nil if nobody waits
}

type ack struct {
	term  uint64
	sent  time.Time
	match uint64    // last index known to be in the peer's log
	heard time.Time // when the answer came
}

func newAcks(self raft.ServerID) *acks {
	return &acks{self: self, peers: make(map[raft.ServerID]ack)}
}

// record notes that peer answered, in the same term, a request sent at sent.
// match is the peer's last replicated index if the answer tells it, else 0.
func (a *acks) record(peer raft.ServerID, term uint64, sent time.Time, match uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.peers[peer]
	if term < p.term {
		return
	}
	if term > p.term {
		p = ack{term: term}
	}
	if sent.After(p.sent) {
		p.sent = sent
	}
	p.match = max(p.match, match)
	p.heard = time.Now()
	a.peers[peer] = p
	a.tell()
}

// wake makes those who wait for acks look again, because what they wait for may be over.
func (a *acks) wake() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tell()
}

// tell must be called with mu held.
func (a *acks) tell() {
	if a.moved != nil {
		close(a.moved)
		a.moved = nil
	}
}

// confirmed returns the newest time at which leadership of term is known to
// have held, and a channel that closes when that may have changed. Answers of
// others than voters do not count; now stands for the leader's own vote.
func (a *acks) confirmed(term uint64, voters []raft.ServerID, now time.Time) (time.Time, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.moved == nil {
		a.moved = make(chan struct{})
	}
	var sent [16]time.Time
	times := sent[:0]
	for _, v := range voters {
		switch p := a.peers[v]; {
		case v == a.self:
			times = append(times, now)
		case p.term == term:
			times = append(times, p.sent)
		default:
			times = append(times, time.Time{})
		}
	}
	if len(times) == 0 {
		return time.Time{}, a.moved
	}
	slices.SortFunc(times, time.Time.Compare)
	// With the times ascending, a quorum (n/2+1) acked at or after this one.
	return times[len(times)-(len(times)/2+1)], a.moved
}

// promptest returns as many voters as a leader needs for a quorum beside itself:
// those that were heard of last. Asking the others too would cost as much again
// and bring nothing. If one of them has just died, raft's own heartbeats, which
// go to all, confirm the round some milliseconds later, and the next round asks
// another one.
func (a *acks) promptest(servers []raft.Server) []raft.Server {
	a.mu.Lock()
	defer a.mu.Unlock()
	voters := 0
	var others []raft.Server
	for _, s := range servers {
		if s.Suffrage != raft.Voter {
			continue
		}
		voters++
		if s.ID != a.self {
			others = append(others, s)
		}
	}
	slices.SortFunc(others, func(x, y raft.Server) int { return a.peers[y.ID].heard.Compare(a.peers[x.ID].heard) })
	return others[:min(voters/2, len(others))]
}

// match returns the last index known to be in peer's log in term, and when the
// peer was last heard of.
func (a *acks) match(peer raft.ServerID, term uint64) (index uint64, heard time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p := a.peers[peer]; p.term == term {
		return p.match, p.heard
	}
	return 0, time.Time{}
}
