package migrate

import (
	"context"

	"raftkv/shard"
)

// Source is the group that gives slots away, seen from its leader. Operations
// that change something return once their entry is applied. All are idempotent;
// after an error other than those of this package the outcome is unknown, and
// they may be tried again. Methods are called by one goroutine at a time.
type Source interface {
	// Status tells what the group's log says of a migration. It must not be older
	// than what had been acknowledged when it was called.
	Status(ctx context.Context, migration uint64) (Status, error)
	// Begin makes owned slots exporting: from now on all changes are remembered.
	// ErrRefused: the group does not own them all. ErrEnded.
	Begin(ctx context.Context, m shard.Migration) error
	// View takes a view of the slots. It must hold all that was acknowledged before.
	// It costs the group's traffic nothing.
	View(ctx context.Context, migration uint64) (*View, error)
	// Freeze ends serving the slots, exporting -> frozen. ErrOutdated, ErrEnded.
	Freeze(ctx context.Context, migration, attempt uint64) error
	// Seal notes that from now on the target may be told to activate, frozen ->
	// sealed. ErrOutdated, ErrEnded.
	Seal(ctx context.Context, migration, attempt uint64) error
	// Thaw serves the slots again and begins the next attempt, frozen -> exporting.
	// fenced says that the target has committed to refuse this attempt; without it
	// sealed slots are ErrSealed.
	Thaw(ctx context.Context, migration, attempt uint64, fenced bool) error
	// Cancel serves the slots again for good. fenced as in Thaw. It also
	// ends a migration that never began here.
	Cancel(ctx context.Context, migration uint64, fenced bool) error
	// Delete removes what it can in one entry of the keys and sessions that the
	// target has taken over, and returns what is left to do. Only if the target
	// is known to own the slots.
	Delete(ctx context.Context, migration uint64) (Status, error)
}

// Target is the group that takes the slots. What is said of Source's operations
// holds here as well, but the group may lead elsewhere.
type Target interface {
	Status(ctx context.Context, migration uint64) (Status, error)
	// Install prepares absent slots to take chunks of a run, and refuses all that
	// belongs to an attempt before this one: it is the fence as well. ErrActivated,
	// ErrEnded, ErrOutdated (a later attempt has begun), ErrRefused.
	Install(ctx context.Context, m shard.Migration, attempt, run uint64) (Status, error)
	// Chunk brings part seq of a run; parts count on by one. One that was
	// brought already does nothing. through, if not 0, says that the target now has all
	// up to this index of the source's log. ErrOutdated, ErrEnded, ErrActivated,
	// ErrRefused (it does not decode).
	Chunk(ctx context.Context, migration, run, seq, through uint64, b []byte) error
	// Wipe is part seq too: it removes keys of the slots, as many as one entry may.
	// The part counts as brought, in the status, once none is left. With all, sessions
	// go too, and the target has nothing of the source's log.
	Wipe(ctx context.Context, migration, run, seq uint64, all bool) (Status, error)
	// Activate makes the group own the slots if it holds what digest says. clock is
	// the source's log time: the target's does not fall behind it, so what was
	// seen to expire there stays away. ErrMismatch, ErrOutdated, ErrEnded.
	Activate(ctx context.Context, migration, attempt uint64, clock int64, digest Digest) error
	// Abort refuses the migration for ever, and removes as much of what came as one
	// entry may; it returns what is left to do. ErrActivated.
	Abort(ctx context.Context, migration uint64) (Status, error)
}

// Record is the controller's record of migrations. Finish and Abort end one and
// are idempotent: one that is recorded no more has ended.
type Record interface {
	// Canceled tells whether the migration is to be undone. It is asked often and
	// must answer from memory.
	Canceled(migration uint64) bool
	// Ended tells whether the record is over, finished or aborted, as far as is known
	// here. It is asked often and must answer from memory.
	Ended(migration uint64) bool
	// Finish makes the target the owner in the shard map.
	Finish(ctx context.Context, migration uint64) error
	// Abort leaves the source the owner.
	Abort(ctx context.Context, migration uint64) error
}
