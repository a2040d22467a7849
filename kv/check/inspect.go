package check

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"raftkv/kv"
	"raftkv/shard"
)

// lookAgain is how often replicas are compared until they stand at the same index.
const lookAgain = 100 * time.Millisecond

// inspect compares the replicas of all groups when nobody writes any more, and sees
// that each slot is served by one group. Replicas get some time to catch up.
func (r *Report) inspect(ctx context.Context, c *cluster) {
	var last error // that the end of the time has not made
	for {
		if err := c.settled(ctx); err != nil && ctx.Err() == nil {
			last = err
			sleep(ctx, lookAgain)
			continue
		}
		digests, err := c.digests(ctx)
		var groups map[uint32][]replica
		if err == nil {
			groups = byGroup(digests)
			err = errors.Join(aligned(groups), c.settled(ctx)) // none has begun meanwhile
		}
		if err == nil {
			r.compare(groups)
			err = r.owners(groups)
		}
		if err == nil {
			return
		}
		if ctx.Err() == nil {
			last = err
			sleep(ctx, lookAgain)
			continue
		}
		if last != nil {
			err = last
		}
		r.undecided(Replicas, err.Error())
		r.undecided(Ownership, err.Error())
		return
	}
}

// replica is what a node says of its copy of a group.
type replica struct {
	node string
	kv.GroupDigest
}

func (c *cluster) digests(ctx context.Context) (out []kv.Digest, err error) {
	for _, addr := range c.http {
		var d kv.Digest
		if err := c.ask(ctx, addr, http.MethodGet, "/v1/digest", nil, &d); err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// settled returns an error while slots are moving: nodes are asked one after the
// other, and a slot that has moved meanwhile would seem to be served twice.
func (c *cluster) settled(ctx context.Context) error {
	m, err := c.shardMap(ctx)
	if err == nil && len(m.Migrations) > 0 {
		err = fmt.Errorf("%d migrations are under way", len(m.Migrations))
	}
	return err
}

func byGroup(digests []kv.Digest) map[uint32][]replica {
	groups := make(map[uint32][]replica)
	for _, d := range digests {
		for _, g := range d.Groups {
			groups[g.Group] = append(groups[g.Group], replica{d.Node, g})
		}
	}
	return groups
}

// aligned returns why the replicas of some group cannot be compared now. Those of
// group 0 need not be: nodes report to it all the time.
func aligned(groups map[uint32][]replica) error {
	if len(groups) < 2 {
		return errors.New("no group is known that has slots")
	}
	for id, replicas := range groups {
		for _, x := range replicas {
			if x.Index != replicas[0].Index {
				return fmt.Errorf("group %d: %s has applied up to %d, and %s up to %d", id, replicas[0].node, replicas[0].Index, x.node, x.Index)
			}
		}
	}
	return nil
}

// compare finds replicas that differ at the same index.
func (r *Report) compare(groups map[uint32][]replica) {
	count := 0
	for id, replicas := range groups {
		count += len(replicas)
		for _, x := range replicas[1:] {
			if x.Sum != replicas[0].Sum {
				r.wrong(Problem{Check: Replicas, Text: fmt.Sprintf("group %d: at index %d %s has %s (%d keys) and %s has %s (%d keys)",
					id, x.Index, replicas[0].node, replicas[0].Sum, replicas[0].Keys, x.node, x.Sum, x.Keys)})
			}
		}
	}
	if c := r.check(Replicas); c.Detail == "" {
		c.Detail = fmt.Sprintf("%d replicas of %d groups, by content at the same index", count, len(groups))
	}
}

// owners finds slots that two groups serve. An error says that a migration is under
// way, so that some are served by nobody for a moment.
func (r *Report) owners(groups map[uint32][]replica) error {
	var owner [shard.Slots]uint32
	served := 0
	for id, replicas := range groups {
		at := max(slices.IndexFunc(replicas, func(x replica) bool { return x.Serving }), 0)
		for _, s := range replicas[at].Slots {
			if !s.Serves() {
				continue
			}
			for slot := range shard.Each([]shard.Range{s.Range}) {
				if owner[slot] != 0 {
					r.wrong(Problem{Check: Ownership, Text: fmt.Sprintf("slot %d is served by group %d and by group %d", slot, owner[slot], id)})
					return nil
				}
				owner[slot] = id
				served++
			}
		}
	}
	if served < shard.Slots {
		return fmt.Errorf("%d of %d slots are served by no group", shard.Slots-served, shard.Slots)
	}
	r.check(Ownership).Detail = fmt.Sprintf("%d slots", served)
	return nil
}
