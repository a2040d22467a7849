package fsm

// Rules are rules that Options.Broken takes away: a checker that does not find the
// violations that follow proves nothing. They are part of the state machine's
// definition: every replica must lack the same ones.
type Rules uint8

// The rules.
const (
	// Sessions: what a client repeats in a session is executed once.
	Sessions Rules = 1 << iota
	// Freeze: a slot is not served any more when its last keys are handed over.
	Freeze
)
