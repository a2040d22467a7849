package moves

import (
	"fmt"
	"os"
	"testing"

	"raftkv/shard"
	"raftkv/shard/migrate"
	"raftkv/tests/cluster"
)

// steps are those of a migration in which nothing fails.
var steps = []migrate.Step{migrate.StepBegin, migrate.StepInstall, migrate.StepCopy, migrate.StepFreeze, migrate.StepLast,
	migrate.StepSeal, migrate.StepActivate, migrate.StepFinish, migrate.StepDelete}

// The nodes that a migration needs, by what they do.
const (
	driver     = "the driver" // the source's leader
	target     = "the target's leader"
	controller = "the controller's leader"
)

var victims = []string{driver, target, controller}

// Whoever dies before whichever step of a migration: it ends, by itself, with
// nothing lost and nothing done twice. RAFTKV_TEST_ALL=1 tries every step with
// every victim. Without, it tries two of three steps, each with one victim; which ones
// changes from run to run.
func TestMigrationSurvivesKills(t *testing.T) {
	all := os.Getenv("RAFTKV_TEST_ALL") != ""
	c := still(t)
	l := newLoad(t, c)
	from, to := uint32(1), uint32(2)
	turn := os.Getpid() // what is tried by a short run
	for i, step := range steps {
		tried := victims
		if !all {
			if (i+turn)%3 == 0 {
				continue
			}
			tried = victims[turn/3%3:][:1]
			turn += 3
		}
		c.KillAll()
		if err := c.AddFlags([]string{"--failpoint=" + string(step)}); err != nil {
			t.Fatal(err)
		}
		c.StartAll()
		for j, victim := range tried {
			name := fmt.Sprintf("%s dies before %s", victim, step)
			// Half of them come back before the migration has ended.
			ok := t.Run(name, func(t *testing.T) { killAt(t, c, l, from, to, victim, (i+j+turn)%2 == 0) })
			if !ok {
				return // what follows would fail for the same reason
			}
			from, to = to, from
		}
	}
	l.end()
	t.Logf("%d increments", l.count())
}

// killAt moves slots, kills a node when the driver is at the failpoint, and sees
// that the migration ends.
func killAt(t *testing.T, c *cluster.Cluster, l *load, from, to uint32, victim string, backSoon bool) {
	spread(c, from, to)
	arm(c)
	cluster.Eventually(t, "a migration", func() error {
		_, err := move(c, to)
		return err
	})
	nodes := make(map[string]string)
	nodes[driver] = awaitFailpoint(t, c)
	cluster.Eventually(t, "leaders", func() error {
		now, err := leaders(c)
		nodes[target], nodes[controller] = now[to], now[shard.Controller]
		return err
	})
	t.Logf("from group %d to group %d: %v", from, to, nodes)
	if err := c.Kill(nodes[victim]); err != nil {
		t.Fatal(err)
	}
	release(t, c) // the next driver would stop there too
	if backSoon {
		c.StartAll()
	}
	cluster.Eventually(t, "the end of the migration", func() error {
		m, err := mapOf(c)
		if err != nil {
			return err
		}
		return settled(m, to)
	})
	c.StartAll()
	l.goesOn(t)
	l.check(t, to)
}

// spread makes three nodes lead the source, the target and the controller.
func spread(c *cluster.Cluster, from, to uint32) {
	var now map[uint32]string
	c.Eventually("leaders", func() (err error) {
		now, err = leaders(c)
		return err
	})
	free := make(map[string]bool)
	for _, id := range c.IDs() {
		free[id] = true
	}
	for _, group := range []uint32{from, to, shard.Controller} {
		node := now[group]
		for id := range free {
			if !free[node] {
				node = id
			}
		}
		delete(free, node)
		lead(c, group, node)
	}
}
