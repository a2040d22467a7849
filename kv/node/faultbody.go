package node

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"syscall"
	"time"

	"raftkv/kv/fault"
	"raftkv/kv/group"
	"raftkv/shard"
)

// faultBody is what faults do to a node beside its links, its disk and its clock.
type faultBody struct{ n *Node }

var _ fault.Body = faultBody{}

// chosen lists the replicas here that a fault is about.
func (b faultBody) chosen(id *uint32) []*group.Group {
	all := *b.n.groups.Load()
	if id == nil {
		return all
	}
	for _, g := range all {
		if g.ID() == *id {
			return []*group.Group{g}
		}
	}
	return nil
}

// one chooses a replica: of the given group, or of any that has keys, if one has.
func (b faultBody) one(id *uint32, chance *rand.Rand) (*group.Group, error) {
	groups := b.chosen(id)
	var filled []*group.Group
	for _, g := range groups {
		if g.ID() != shard.Controller && g.Status(b.n.config.ID).Keys > 0 {
			filled = append(filled, g)
		}
	}
	if len(filled) > 0 {
		groups = filled
	}
	if len(groups) == 0 {
		return nil, refused("node %s has no replica of that group", b.n.config.ID)
	}
	return groups[chance.IntN(len(groups))], nil
}

func (b faultBody) FlipLog(id *uint32, chance *rand.Rand) (string, error) {
	g, err := b.one(id, chance)
	if err != nil {
		return "", err
	}
	where, err := g.FlipLogBit(chance)
	return where, refusedBy(g, err)
}

func (b faultBody) FlipSnapshot(id *uint32, chance *rand.Rand) (string, error) {
	g, err := b.one(id, chance)
	if err != nil {
		return "", err
	}
	where, err := g.FlipSnapshotBit(chance)
	return where, refusedBy(g, err)
}

func refusedBy(g *group.Group, err error) error {
	if err == nil {
		return nil
	}
	return refused("group %d: %v", g.ID(), err)
}

// Transfer hands over what this node leads.
func (b faultBody) Transfer(ctx context.Context, id *uint32) {
	for _, g := range b.chosen(id) {
		if ctx.Err() == nil && g.Serving() && len(g.Servers()) > 1 {
			b.tell("leadership was not handed over", g.ID(), g.TransferLeadership(""))
		}
	}
}

// Snapshot takes snapshots of the replicas here.
func (b faultBody) Snapshot(ctx context.Context, id *uint32) {
	for _, g := range b.chosen(id) {
		if ctx.Err() == nil {
			b.tell("no snapshot was taken", g.ID(), g.Snapshot())
		}
	}
}

// stormMigrations bounds how many migrations a storm lets be under way.
const stormMigrations = 4

// Migrate begins to move up to 64 slots from a group to another one.
func (b faultBody) Migrate(ctx context.Context, chance *rand.Rand) {
	g := b.n.group(shard.Controller)
	if g == nil || !g.Serving() {
		return
	}
	m := b.n.shardMap()
	var targets []uint32
	for _, t := range dataGroups(m) {
		if t.Founded {
			targets = append(targets, t.ID)
		}
	}
	if len(targets) < 2 || len(m.Migrations) >= stormMigrations {
		return
	}
	from := uint16(chance.IntN(shard.Slots))
	to := targets[chance.IntN(len(targets))]
	last := min(int(from)+chance.IntN(64), shard.Slots-1)
	var slots []shard.Range
	for slot := from; int(slot) <= last; slot++ {
		if m.Owner[slot] != to && m.Migrating(slot) == nil {
			slots = append(slots, shard.Range{slot, slot})
		}
	}
	if len(slots) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, changeTimeout)
	defer cancel()
	_, err := b.n.MoveSlots(ctx, shard.Normalize(slots), to, "migration-storm")
	b.tell("no migration was begun", shard.Controller, err)
}

func (b faultBody) tell(what string, id uint32, err error) {
	if err != nil && b.n.ctx.Err() == nil {
		b.n.log.Info(what, "topic", "fault", "group", id, "error", err)
	}
}

// lastWords is how long the log may take to tell of a process's end.
const lastWords = 200 * time.Millisecond

// Die ends the process as a loss of power does, but for the log, which tells why.
func (b faultBody) Die() {
	told := make(chan struct{})
	go func() {
		b.n.events.Close()
		close(told)
	}()
	select {
	case <-told:
	case <-time.After(lastWords):
	}
	err := syscall.Kill(os.Getpid(), syscall.SIGKILL)
	b.n.fail(errors.Join(fmt.Errorf("process %d lives", os.Getpid()), err)) // it does not
}
