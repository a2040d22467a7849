// Package group runs one replica of one raft group: it proposes writes in
// batches, finds safe points for reads, and changes membership.
package group

import (
	"time"

	"raftkv/kv"
	"raftkv/kv/fsm"
)

// Proposal is a run of commands of one connection. They enter the group's log
// next to each other, in order, and each gets its reply.
//
// A Proposal is owned by its maker until Propose and again after Wait, or from the
// call of Finished on; it may be used again after Reset. Between the two, Commands
// must not change.
type Proposal struct {
	// Commands are one or more commands as RESP arrays, concatenated.
	Commands []byte
	// Ends holds, for each command, where its bytes end in Commands.
	Ends []int

	// Replies holds one reply a command once Wait has returned. A failure of
	// the whole proposal stands in every reply.
	Replies []kv.Reply

	// Finished, if set, is called instead of letting Wait return. It must not block.
	Finished func()

	kind     fsm.EntryKind // 0: clients' commands, or a tick if there are none
	queuedAt time.Time
	answered time.Time // when it last came back with replies; zero: never
	term     uint64    // of the entry that carried it; 0 if it failed
	index    uint64
	failure  kv.ReplyError // of the proposal as a whole
	done     chan struct{}
}

// NewProposal returns an empty proposal.
func NewProposal() *Proposal { return &Proposal{done: make(chan struct{}, 1)} }

// Reset empties p and keeps its memory.
func (p *Proposal) Reset() {
	p.Commands, p.Ends = p.Commands[:0], p.Ends[:0]
	clear(p.Replies)
	p.Replies = p.Replies[:0]
	p.term, p.index, p.failure, p.Finished = 0, 0, "", nil
}

// Add appends one command, given as a RESP array. The bytes are copied.
func (p *Proposal) Add(raw []byte) {
	p.Commands = append(p.Commands, raw...)
	p.Ends = append(p.Ends, len(p.Commands))
}

// Wait blocks until every command has its reply. The group answers every
// proposal in bounded time, so Wait needs no context.
func (p *Proposal) Wait() { <-p.done }

// Finish hands p back to its maker. Who was given p by Propose calls it once.
func (p *Proposal) Finish() {
	if p.Finished != nil {
		p.Finished()
		return
	}
	p.done <- struct{}{}
}

// fail answers all commands with err and hands p back.
func (p *Proposal) fail(err kv.ReplyError) {
	p.failure = err
	for len(p.Replies) < len(p.Ends) {
		p.Replies = append(p.Replies, err.Reply())
	}
	p.Finish()
}
