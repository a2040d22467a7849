package node

import (
	"fmt"
	"strings"

	"raftkv/kv/fsm"
	"raftkv/kv/group"
	"raftkv/kv/raftlog"
	"raftkv/shard"
)

// Unsafe is a rule that a node can be told to break, so that people and tests see
// the violation that follows, and that `raftkv check` finds it.
type Unsafe struct {
	Name    string
	Meaning string // what the node does instead of keeping the rule
	apply   func(*group.Config)
}

// Unsafes lists them.
var Unsafes = []Unsafe{
	{"stale-reads", "a leader answers reads without asking whether it still leads",
		func(c *group.Config) { c.Broken = group.Confirmation }},
	{"no-barrier", "a new leader answers reads before it knows what the one before it has committed",
		func(c *group.Config) { c.Broken = group.Barrier }},
	{"no-sessions", "a command that a client repeats is executed again",
		func(c *group.Config) { c.BrokenState = fsm.Sessions }},
	{"no-fsync", "entries are acknowledged before they are on disk, and a kill loses the last ones",
		func(c *group.Config) { c.Log.Broken = raftlog.Fsync }},
	{"double-owner", "slots that move are not frozen, so that for a moment two groups serve them",
		func(c *group.Config) { c.BrokenState = fsm.Freeze }},
	{"local-clock-expiry", "each replica lets keys expire by its own clock",
		func(c *group.Config) { c.LocalClock = func() int64 { return c.Now().UnixMilli() } }},
	{"ack-before-commit", "a SET is acknowledged before it is committed",
		func(c *group.Config) { c.Broken = group.Commit }},
	{"vote-twice", "a replica votes as often in a term as it is asked",
		func(c *group.Config) { c.Log.Broken = raftlog.OneVote }},
}

// unsafe returns what Config.Unsafe names, or nil.
func (c *Config) unsafe() *Unsafe {
	for i := range Unsafes {
		if Unsafes[i].Name == c.Unsafe {
			return &Unsafes[i]
		}
	}
	return nil
}

// checkUnsafe refuses a rule that does not exist, and any on a node that must not be
// broken.
func (c *Config) checkUnsafe() error {
	switch {
	case c.Unsafe == "":
		return nil
	case c.unsafe() == nil:
		return fmt.Errorf("--unsafe %s: there are %s", c.Unsafe, UnsafeNames())
	case !c.Faults:
		return fmt.Errorf("--unsafe=%s breaks the node's promises: it is for nodes that run with --enable-faults, and for data that nobody needs", c.Unsafe)
	}
	return nil
}

// UnsafeNames lists the names for a person.
func UnsafeNames() string {
	names := make([]string, len(Unsafes))
	for i, u := range Unsafes {
		names[i] = u.Name
	}
	return strings.Join(names, ", ")
}

// UnsafeWarning is what is said wherever somebody looks; empty if all rules hold.
func UnsafeWarning(name string) string {
	c := Config{Unsafe: name}
	u := c.unsafe()
	if u == nil {
		return ""
	}
	return fmt.Sprintf("UNSAFE: this node runs with --unsafe=%s: %s. Its answers are wrong on purpose.", u.Name, u.Meaning)
}

// breakRule takes the rule away from a group. The shard map is spared: what is to be
// shown is what happens to keys.
func (c *Config) breakRule(g *group.Config) {
	if u := c.unsafe(); u != nil && g.ID != shard.Controller {
		u.apply(g)
	}
}
