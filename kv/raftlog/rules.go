package raftlog

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
)
