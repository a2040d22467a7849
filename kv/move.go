package kv

import "raftkv/shard"

// Move is what POST /v1/migrations answers: what moves the slots that were asked
// for.
type Move struct {
	Epoch uint64 `json:"epoch"` // of the map that has all of it
	// Migrations move them, begun by this request or before.
	Migrations []shard.Migration `json:"migrations"`
	// There are the slots that the group owns already.
	There []shard.Range `json:"there"`
}
