// Package migrate carries one migration out: slots move from one group to
// another while both serve. It is a driver over two small interfaces, Source and
// Target, whose operations are idempotent entries in the logs of the two groups, and
// over the controller's Record. The logs hold all state: a driver may die at
// any moment, and the next one asks both sides and goes on.
//
// The protocol and why each of its steps is safe stand in shard/DESIGN.md,
// "Migration".
package migrate

import (
	"errors"

	"raftkv/shard"
)

// Phase is what a group's log says of a migration.
type Phase string

// The phases. A migration is in one of the first four in the group that gives
// slots away, in one of the next two in the group that takes them, and has ended
// there in the others.
const (
	Unknown Phase = "" // the group has not heard of it

	Exporting Phase = "exporting" // served, while the keys are copied away
	Frozen    Phase = "frozen"    // not served; may thaw at any time
	Sealed    Phase = "sealed"    // not served; the target may have them already
	Deleting  Phase = "deleting"  // the target serves; the keys are going

	Installing Phase = "installing" // the keys come in; not served
	Aborting   Phase = "aborting"   // never to be served; the keys are going

	Deleted   Phase = "deleted"   // given away
	Canceled  Phase = "canceled"  // kept
	Activated Phase = "activated" // taken
	Aborted   Phase = "aborted"   // refused for ever
	// Forgotten: it ended here, or never began, and is too old to tell which.
	Forgotten Phase = "forgotten"
)

// Ended tells whether nothing more can happen to the migration in the group.
func (p Phase) Ended() bool {
	switch p {
	case Deleted, Canceled, Activated, Aborted, Forgotten:
		return true
	}
	return false
}

// revocable tells whether a migration that is in this phase in the source can be canceled
// without the target: that cannot have been told to activate.
func (p Phase) revocable() bool { return p == Unknown || p == Exporting || p == Frozen }

// Status is what a group's log says of a migration, with all that a driver needs
// to go on. It is data: it may travel as JSON.
type Status struct {
	Migration uint64        `json:"migration"` // the epoch at which it was recorded
	Phase     Phase         `json:"phase"`
	Slots     []shard.Range `json:"slots,omitempty"`
	Peer      uint32        `json:"peer,omitempty"` // the other group
	// Attempt counts the tries to hand over, from 1. What belongs to an earlier
	// one is refused.
	Attempt uint64 `json:"attempt,omitempty"`
	// Run is the driver whose chunks the target takes, Chunk the number of the last
	// one, and Through the index in the source's log up to which the target has it
	// all, 0 before the first round is complete.
	Run     uint64 `json:"run,omitempty"`
	Chunk   uint64 `json:"chunk,omitempty"`
	Through uint64 `json:"through,omitempty"`

	Keys     int `json:"keys"`     // of the slots in this group, now
	Sessions int `json:"sessions"` // likewise
}

// Digest is a hash of what slots hold, in no order: keys with values and
// deadlines, and sessions with their last replies.
type Digest struct {
	Keys     uint64 `json:"keys"`
	Sessions uint64 `json:"sessions"`
}

// Part is a piece of what must reach the target. The source makes parts, only
// the target's state machine reads them.
type Part struct {
	// Wipe says that all keys were cleared: those that the target has must go before
	// the next part comes. Then Bytes is empty.
	Wipe    bool
	Bytes   []byte // a snapshot.Chunk
	Records int
}

// View is the content of a migration's slots at one moment. It does not change,
// and holds memory as long as it is referred to.
type View struct {
	Index   uint64 // of the source's log
	Clock   int64  // the source's log time in ms
	Attempt uint64
	Frozen  bool // nothing can change any more in this attempt but by expiry
	Digest  Digest
	// Parts calls emit for all that was changed after index since, 0 for all there
	// is, in order. It stops with emit's error. A part's bytes are emit's.
	Parts func(since uint64, emit func(Part) error) error
}

// Errors of Source and Target. All but ErrUncertain and those not listed here say
// that nothing was done and doing it again is of no use.
var (
	// ErrActivated: the target owns the slots; the migration can only be finished.
	ErrActivated = errors.New("the target has the slots already")
	// ErrEnded: the migration was canceled, or it ended long ago.
	ErrEnded = errors.New("the migration has ended in this group")
	// ErrOutdated: another driver, or another attempt, has taken over.
	ErrOutdated = errors.New("another driver carries the migration out")
	// ErrSealed: the target may have the slots; they thaw only behind a fence.
	ErrSealed = errors.New("the target may have the slots already")
	// ErrMismatch: what the target has is not what the source had.
	ErrMismatch = errors.New("the target's copy differs from the source's slots")
	// ErrRefused: the group does not have the slots, or has them otherwise.
	ErrRefused = errors.New("the group refuses the migration")
)

// Final tells whether err says that trying again is of no use.
func Final(err error) bool {
	for _, e := range []error{ErrActivated, ErrEnded, ErrOutdated, ErrSealed, ErrMismatch, ErrRefused} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
