package controller

import (
	"errors"
	"fmt"
	"slices"

	"raftkv/shard"
)

// normalize checks the slots of a command, and sorts and merges them.
func normalize(slots []shard.Range) ([]shard.Range, error) {
	if len(slots) == 0 {
		return nil, errors.New("the command names no slots")
	}
	for _, r := range slots {
		if r.From() > r.To() || r.To() >= shard.Slots {
			return nil, fmt.Errorf("slots %v: want a first and a last slot below %d", r, shard.Slots)
		}
	}
	return shard.Normalize(slots), nil
}

// founded finds a group that can serve slots.
func (ch *change) founded(id *uint32) (*shard.Group, error) {
	g, err := ch.group(id)
	if err != nil {
		return nil, err
	}
	if g.ID == shard.Controller {
		return nil, errors.New("group 0 owns no slots; choose another group")
	}
	if !g.Founded {
		return nil, fmt.Errorf("group %d is not founded; wait until it has had a leader", g.ID)
	}
	return g, nil
}

func assignSlots(ch *change, c command) error {
	g, err := ch.founded(c.Group)
	if err != nil {
		return err
	}
	slots, err := normalize(c.Slots)
	if err != nil {
		return err
	}
	for slot := range each(slots) {
		switch owner := ch.Owner[slot]; owner {
		case g.ID:
		case shard.Controller:
			ch.Owner[slot] = g.ID
			ch.changed = true
		default:
			return fmt.Errorf("slot %d belongs to group %d; move it instead of assigning it", slot, owner)
		}
	}
	return nil
}

func startMigration(ch *change, c command) error {
	from, err := ch.founded(c.From)
	if err != nil {
		return err
	}
	to, err := ch.founded(c.To)
	if err != nil {
		return err
	}
	if from.ID == to.ID {
		return fmt.Errorf("slots cannot move from group %d to itself", from.ID)
	}
	slots, err := normalize(c.Slots)
	if err != nil {
		return err
	}
	if x := ch.Migrating(slots[0].From()); x != nil && x.From == from.ID && x.To == to.ID && !x.Canceled && slices.Equal(x.Slots, slots) {
		ch.reply.Migration = x.Epoch
		return nil
	}
	for slot := range each(slots) {
		if ch.Owner[slot] != from.ID {
			return fmt.Errorf("slot %d belongs to group %d, not to group %d; read the map again", slot, ch.Owner[slot], from.ID)
		}
		if x := ch.Migrating(slot); x != nil {
			return fmt.Errorf("slot %d is being moved by migration %d; wait until it has ended, or cancel it", slot, x.Epoch)
		}
	}
	ch.Migrations = append(ch.Migrations, shard.Migration{ // the highest epoch comes last
		Epoch: ch.Epoch, Slots: slots, From: from.ID, To: to.ID, Reason: c.Reason,
	})
	ch.reply.Migration = ch.Epoch
	ch.changed = true
	return nil
}

func finishMigration(ch *change, c command) error {
	at, err := ch.migration(c)
	if err != nil || at < 0 {
		return err
	}
	x := ch.Migrations[at]
	for slot := range each(x.Slots) {
		ch.Owner[slot] = x.To
	}
	ch.Migrations = slices.Delete(ch.Migrations, at, at+1)
	ch.changed = true
	return nil
}

func cancelMigration(ch *change, c command) error {
	at, err := ch.migration(c)
	if err != nil {
		return err
	}
	if at < 0 {
		return fmt.Errorf("migration %d is over, if there was one; move the slots back if they should be where they were", *c.Epoch)
	}
	ch.changed = !ch.Migrations[at].Canceled
	ch.Migrations[at].Canceled = true
	return nil
}

func abortMigration(ch *change, c command) error {
	at, err := ch.migration(c)
	if err != nil || at < 0 {
		return err
	}
	ch.Migrations = slices.Delete(ch.Migrations, at, at+1)
	ch.changed = true
	return nil
}

// migration finds the migration that a command names. The result is -1 if it is
// over. Old migrations are not kept, so any old epoch counts as one of them.
func (ch *change) migration(c command) (int, error) {
	if c.Epoch == nil {
		return 0, errors.New("the command names no migration")
	}
	if *c.Epoch >= ch.Epoch { // which is the next one
		return 0, fmt.Errorf("there is no migration %d: the shard map is at epoch %d", *c.Epoch, ch.Epoch-1)
	}
	return slices.IndexFunc(ch.Migrations, func(x shard.Migration) bool { return x.Epoch == *c.Epoch }), nil
}

// each yields every slot of ranges that have been checked.
func each(ranges []shard.Range) func(yield func(uint16) bool) {
	return func(yield func(uint16) bool) {
		for _, r := range ranges {
			for slot := int(r.From()); slot <= int(r.To()); slot++ {
				if !yield(uint16(slot)) {
					return
				}
			}
		}
	}
}
