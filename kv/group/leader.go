package group

import (
	"context"

	"raftkv/kv"
	"raftkv/kv/fsm"
)

// Leader is a group as the driver of a migration sees it, on its leader.
type Leader struct{ *Group }

var _ fsm.Leader = Leader{}

// Admin executes a command that is no client's, and waits for it.
func (l Leader) Admin(command []byte) error {
	_, err := l.Group.Admin(command)
	return err
}

// ReadIndex waits until the state has all that was acknowledged before the call.
func (l Leader) ReadIndex(ctx context.Context) error {
	if !l.Serving() {
		return kv.ErrNoLeader // a follower's read index would do, but it cannot go on
	}
	return l.Group.ReadIndex(ctx, Linearizable)
}
