package controller

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"raftkv/shard"
)

func addGroup(ch *change, c command) error {
	if len(c.Nodes) == 0 {
		return errors.New("a group needs at least one node")
	}
	if ch.last == math.MaxUint32 {
		return errors.New("all group numbers have been used")
	}
	g := shard.Group{ID: ch.last + 1}
	for _, id := range c.Nodes {
		n, err := ch.node(id)
		if err != nil {
			return err
		}
		if g.On(id) != nil {
			return fmt.Errorf("node %s stands twice; a group has one replica a node", id)
		}
		if n.State == shard.Draining {
			return errDraining(id)
		}
		ch.add(&g, id, true)
	}
	ch.last = g.ID
	ch.Groups = append(ch.Groups, g) // the highest number comes last
	ch.reply.Group = g.ID
	return nil
}

func removeGroup(ch *change, c command) error {
	if ch.gone(c.Group) {
		return nil
	}
	g, err := ch.group(c.Group)
	if err != nil {
		return err
	}
	if g.ID == shard.Controller {
		return errors.New("group 0 is the controller's own and stays")
	}
	// A migration to the group may be the only thing that it has.
	for _, x := range ch.Migrations {
		if x.From == g.ID || x.To == g.ID {
			return fmt.Errorf("group %d takes part in migration %d; wait until it has ended, or cancel it", g.ID, x.Epoch)
		}
	}
	if slots := ch.SlotsOf(g.ID); len(slots) > 0 {
		refill := ""
		if ch.Balance {
			refill = ", with the balancer off: it gives slots to each group"
		}
		return fmt.Errorf("group %d still owns slots, the first are %v; move them to other groups first%s", g.ID, slots[0], refill)
	}
	ch.Groups = slices.DeleteFunc(ch.Groups, func(other shard.Group) bool { return other.ID == g.ID })
	ch.changed = true
	return nil
}

func foundGroup(ch *change, c command) error {
	g, err := ch.group(c.Group)
	if err != nil {
		return err
	}
	ch.changed = !g.Founded
	g.Founded = true
	return nil
}
