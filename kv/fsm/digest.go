package fsm

import (
	"fmt"

	"github.com/cespare/xxhash/v2"

	"raftkv/kv"
)

// Digest sums up the state: replicas of a group that have applied the same index
// have the same sum, or one of them is wrong. It is a hash of the snapshot that could
// be taken now, so it costs as much as one, less the disk.
func (f *FSM) Digest() (kv.GroupDigest, error) {
	i := f.image()
	hash := xxhash.New()
	out := kv.GroupDigest{Group: f.opts.Group, Index: i.header.Index, Term: i.header.Term, Keys: int64(i.view.Len())}
	for _, r := range i.meta.Slots {
		out.Slots = append(out.Slots, kv.SlotDigest{Range: r.Range, State: r.State, Epoch: r.Epoch})
	}
	if err := i.write(hash); err != nil {
		return out, err
	}
	out.Sum = fmt.Sprintf("%016x", hash.Sum64())
	return out, nil
}
