package moves

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"raftkv/shard"
	"raftkv/shard/migrate"
	"raftkv/tests/cluster"
)

// both is the driver and the target's leader: two of three nodes at once, so that
// no group has a quorum until they are back.
const both = "the driver and the target's leader"

// failures are the ways in which a migration fails, and where a victim then dies:
// the driver is held before one step until what it does next has to fail, or is
// canceled there, and comes to the other.
var failures = []struct {
	hold, step migrate.Step
	cancel     bool
}{
	{hold: migrate.StepLast, step: migrate.StepThaw},
	{hold: migrate.StepActivate, step: migrate.StepFence},
	{hold: migrate.StepActivate, step: migrate.StepThaw},
	{hold: migrate.StepCopy, step: migrate.StepAbort, cancel: true},
	{hold: migrate.StepCopy, step: migrate.StepForget, cancel: true},
}

// freezeLimit is how long a driver leaves slots frozen, and some more.
const freezeLimit = 700 * time.Millisecond

// Whoever dies while a migration is being repaired or undone: it ends all the same.
// RAFTKV_TEST_ALL=1 tries every failure with every victim; without, two with one
// victim each, others from run to run.
func TestFailedMigrationSurvivesKills(t *testing.T) {
	all := os.Getenv("RAFTKV_TEST_ALL") != ""
	victims := append(victims, both)
	c := still(t)
	l := newLoad(t, c)
	from, to := uint32(1), uint32(2)
	turn := os.Getpid()
	for i, failure := range failures {
		tried := victims
		if !all {
			if far := (i - turn%len(failures) + len(failures)) % len(failures); far > 1 {
				continue
			}
			tried = victims[(turn/len(failures)+i)%len(victims):][:1]
		}
		c.KillAll()
		if err := c.AddFlags([]string{fmt.Sprintf("--failpoint=%s,%s", failure.hold, failure.step)}); err != nil {
			t.Fatal(err)
		}
		c.StartAll()
		for _, victim := range tried {
			name := fmt.Sprintf("held at %s, %s dies before %s", failure.hold, victim, failure.step)
			ok := t.Run(name, func(t *testing.T) {
				spread(c, from, to)
				arm(c)
				var epoch uint64
				cluster.Eventually(t, "a migration", func() (err error) {
					epoch, err = move(c, to)
					return err
				})
				awaitStep(t, c, failure.hold)
				if failure.cancel {
					cluster.Eventually(t, "the cancellation", func() error {
						return askAny(c, http.MethodDelete, fmt.Sprint("/v1/migrations/", epoch), "", nil)
					})
				} else {
					time.Sleep(freezeLimit) // no condition: it is the time itself that fails it
				}
				allow(t, c, failure.hold)
				kill(t, c, victim, to, awaitStep(t, c, failure.step))
				release(t, c)
				c.StartAll()
				end := to
				if failure.cancel {
					end = from
				}
				cluster.Eventually(t, "the end of the migration", func() error {
					m, err := mapOf(c)
					if err != nil {
						return err
					}
					return settled(m, end)
				})
				l.goesOn(t)
				l.check(t, end)
			})
			if !ok {
				return
			}
			if !failure.cancel {
				from, to = to, from
			}
		}
	}
	l.end()
	t.Logf("%d increments", l.count())
}

// kill kills a victim, or both.
func kill(t *testing.T, c *cluster.Cluster, victim string, to uint32, drives string) {
	t.Helper()
	nodes := map[string][]string{driver: {drives}}
	cluster.Eventually(t, "leaders", func() error {
		now, err := leaders(c)
		nodes[target], nodes[controller] = []string{now[to]}, []string{now[shard.Controller]}
		nodes[both] = []string{drives, now[to]}
		return err
	})
	for _, id := range nodes[victim] {
		if err := c.Kill(id); err != nil {
			t.Fatal(err)
		}
	}
}

// awaitStep returns the node whose driver has stopped before a step.
func awaitStep(t *testing.T, c *cluster.Cluster, step migrate.Step) (node string) {
	t.Helper()
	cluster.Eventually(t, "the failpoint "+string(step), func() error {
		for _, id := range c.IDs() {
			if at, err := os.ReadFile(reached(c, id)); err == nil && strings.TrimSpace(string(at)) == string(step) {
				node = id
				return nil
			}
		}
		return errors.New("no node is there")
	})
	return node
}

// allow lets all drivers pass a step.
func allow(t *testing.T, c *cluster.Cluster, step migrate.Step) {
	t.Helper()
	for _, id := range c.IDs() {
		if err := os.WriteFile(goOn(c, id), []byte(step), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
