// Package group runs one replica of one raft group: it proposes writes in
// batches, finds safe points for reads, and changes membership.
package group

import "raftkv/kv"

// Proposal is a run of commands of one connection. They enter the group's log
// next to each other, in order, and each gets its reply.
//
// A Proposal is owned by its maker until Propose and again after Wait; it may
// be used again after Reset. Between the two, Commands must not change.
type Proposal struct {
	// Commands are one or more commands as RESP arrays, concatenated.
	Commands []byte
	// Ends holds, for each command, where its bytes end in Commands.
	Ends []int

	// Replies holds one reply a command once Wait has returned. A failure of
	// the whole proposal stands in every reply.
	Replies []kv.Reply

	done chan struct{}
}

// NewProposal returns an empty proposal.
func NewProposal() *Proposal { return &Proposal{done: make(chan struct{}, 1)} }

// Reset empties p and keeps its memory.
func (p *Proposal) Reset() {
	p.Commands, p.Ends = p.Commands[:0], p.Ends[:0]
	clear(p.Replies)
	p.Replies = p.Replies[:0]
}

// Add appends one command, given as a RESP array. The bytes are copied.
func (p *Proposal) Add(raw []byte) {
	p.Commands = append(p.Commands, raw...)
	p.Ends = append(p.Ends, len(p.Commands))
}

// Wait blocks until every command has its reply. The group answers every
// proposal in bounded time, so Wait needs no context.
func (p *Proposal) Wait() { <-p.done }

// Fail answers all commands that have no reply yet with err.
func (p *Proposal) fail(err kv.ReplyError) {
	for len(p.Replies) < len(p.Ends) {
		p.Replies = append(p.Replies, err.Reply())
	}
	p.done <- struct{}{}
}
