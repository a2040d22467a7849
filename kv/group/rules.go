package group

import (
	"bytes"

	"raftkv/kv"
)

// Rules are rules that Config.Broken takes away: a checker that does not find the
// violations that follow proves nothing. Those of the log and of the state machine
// are raftlog.Rules and fsm.Rules.
type Rules uint8

// The rules.
const (
	// Confirmation: a leader that reads has asked a quorum whether it still leads.
	Confirmation Rules = 1 << iota
	// Barrier: a new leader serves once an entry of its own term is committed.
	Barrier
	// Commit: a write is acknowledged once it is committed.
	Commit
)

// setWords begins the plain SET, the one command whose answer is known beforehand.
var setWords = []byte("*3\r\n$3\r\nSET\r\n")

// acknowledgeEarly answers a proposal of plain SETs before anything has come of it.
// That happens only where the rule Commit is broken.
func (g *Group) acknowledgeEarly(p *Proposal) bool {
	if g.config.Broken&Commit == 0 || !g.Serving() || p.kind != 0 || len(p.Ends) == 0 {
		return false
	}
	from := 0
	for _, end := range p.Ends {
		if !bytes.HasPrefix(p.Commands[from:end], setWords) {
			return false
		}
		from = end
	}
	later := NewProposal()
	later.Commands, later.Ends = bytes.Clone(p.Commands), append(later.Ends, p.Ends...)
	g.proposer.propose(later)
	for range p.Ends {
		p.Replies = append(p.Replies, kv.OK)
	}
	p.Finish()
	return true
}
