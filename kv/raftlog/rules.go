package raftlog

import "time"

// Rules are gates that make early appends safe (kv/DESIGN.md, "The leader's
// disk"). Options.Broken takes some away: a checker that does not find the
// violations that follow proves nothing.
type Rules uint8

// The rules.
const (
	// ApplyGate: nothing is applied before it is on disk (WaitDurable).
	ApplyGate Rules = 1 << iota
	// CommitGate: nobody learns of a commit that counts on what is not on disk (Durable).
	CommitGate
	// VouchGate: no append is confirmed before it is on disk (WaitAllDurable).
	VouchGate
	// Fsync: what was stored is on disk. Without it, entries are written like the
	// pages of a file that nobody syncs: some time later, so that a kill loses them as a
	// loss of power would.
	Fsync
	// OneVote: a replica votes once in a term.
	OneVote
)

// writeBack is how much later entries are written without fsync.
const writeBack = 3 * time.Second

// complete adds the gates that follow from a rule: without fsync nobody waits.
func (r Rules) complete() Rules {
	if r&Fsync != 0 {
		r |= ApplyGate | CommitGate | VouchGate
	}
	return r
}
