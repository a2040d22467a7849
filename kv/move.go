package kv

import (
	"fmt"

	"raftkv/shard"
)

// Move is what POST /v1/migrations answers: what moves the slots that were asked
// for.
type Move struct {
	Epoch uint64 `json:"epoch"` // of the map that has all of it
	// Migrations move them, begun by this request or before.
	Migrations []shard.Migration `json:"migrations"`
	// There are the slots that the group owns already.
	There []shard.Range `json:"there"`
}

// Migration is one that is under way, as GET /v1/migrations lists it.
type Migration struct {
	shard.Migration
	// Progress is what its driver told last; nil if none runs or it is too young.
	Progress *MoveProgress `json:"progress,omitempty"`
}

// MoveProgress tells how far a migration is. It counts what the present driver has
// done, which may go on with what one before it began.
type MoveProgress struct {
	Step      string `json:"step"` // as in package migrate
	Keys      int64  `json:"keys"` // to be moved, when the driver began
	Records   int64  `json:"records"`
	Bytes     int64  `json:"bytes"`
	ElapsedMS int64  `json:"elapsed_ms"`
	FrozenMS  int64  `json:"frozen_ms,omitempty"` // how long clients have waited
}

// Percent returns how much of the keys has been copied. Keys that change meanwhile
// are copied again, and count once at most.
func (p MoveProgress) Percent() int {
	if p.Keys == 0 {
		return 100
	}
	return int(min(100, p.Records*100/p.Keys))
}

// Rate returns the bytes copied a second, on the average.
func (p MoveProgress) Rate() float64 {
	return float64(p.Bytes) / (float64(max(p.ElapsedMS, 1)) / 1e3)
}

// Copying tells whether the keys are on their way, and clients are served as before.
func (p MoveProgress) Copying() bool {
	switch p.Step {
	case "", "begin", "install", "copy", "chunk":
		return true
	}
	return false
}

// String says how far the migration is, for a person.
func (p MoveProgress) String() string {
	switch p.Step {
	case "freeze", "last", "seal", "activate":
		return "hands the slots over"
	case "finish", "delete":
		return "deletes what has moved"
	case "fence", "thaw", "wipe":
		return "tries again"
	case "cancel", "abort", "forget":
		return "is being undone"
	}
	return fmt.Sprintf("has copied %d%% of %d keys, %.1f MB/s", p.Percent(), p.Keys, p.Rate()/1e6)
}
