package node

import (
	"time"

	"raftkv/shard"
)

// newcomers remembers since when each replica of group 0 is in the map, as far as this
// node has looked: a node that has just joined could not answer before. Only the
// controller's work uses it, from one goroutine.
type newcomers struct{ met map[string]time.Time }

// meet notes the replicas that are new at a time, and returns since when all are known.
func (c *newcomers) meet(m *shard.Map, now time.Time) map[string]time.Time {
	next := make(map[string]time.Time)
	if g := m.Group(shard.Controller); g != nil {
		for _, r := range g.Replicas {
			next[r.ID] = now
			if at, known := c.met[r.ID]; known {
				next[r.ID] = at
			}
		}
	}
	c.met = next
	return next
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
