package group

import (
	"errors"

	"github.com/hashicorp/raft"
)

// ErrEmpty tells that a replica has neither log nor snapshot.
var ErrEmpty = errors.New("the replica has neither log nor snapshot")

// found makes the founders the first members of a group that has neither log nor
// snapshot here.
func (g *Group) found(c *raft.Config) error {
	existing, err := raft.HasExistingState(g.log, unfounded{g.log}, g.snapshots)
	switch {
	case err != nil || existing:
		return err
	case g.config.NotEmpty:
		return ErrEmpty
	case len(g.config.Founders) == 0:
		return nil
	}
	members := raft.Configuration{Servers: g.config.Founders}
	return raft.BootstrapCluster(c, g.log, unfounded{g.log}, g.snapshots, g.config.Transport, members)
}

// unfounded is the stable store of a replica that has no log. It may have a term: raft
// writes one before the first entry, and between the two there may be a crash; and the
// other founders may have asked for its vote. To raft a group with a term is founded, so
// it is not shown; and it does not go back.
type unfounded struct{ raft.StableStore }

// GetUint64 finds nothing.
func (unfounded) GetUint64([]byte) (uint64, error) { return 0, nil }

// SetUint64 writes a number unless there is a greater one.
func (u unfounded) SetUint64(key []byte, n uint64) error {
	had, err := u.StableStore.GetUint64(key)
	switch {
	case err == nil && had >= n:
		return nil
	case err != nil && err.Error() != "not found": // raft's way to tell of a missing key
		return err
	}
	return u.StableStore.SetUint64(key, n)
}
