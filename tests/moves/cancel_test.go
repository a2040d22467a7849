package moves

import (
	"fmt"
	"net/http"
	"testing"

	"raftkv/shard/migrate"
	"raftkv/tests/cluster"
)

// A migration that is canceled before the target has the slots leaves them, be they
// sealed, and
// all that clients wrote meanwhile, where they were, and nothing in the target.
func TestCanceledMigrationLeavesAll(t *testing.T) {
	c := still(t)
	l := newLoad(t, c)
	for _, step := range []migrate.Step{migrate.StepCopy, migrate.StepSeal, migrate.StepActivate} {
		t.Run("before "+string(step), func(t *testing.T) {
			c.KillAll()
			if err := c.AddFlags([]string{"--failpoint=" + string(step)}); err != nil {
				t.Fatal(err)
			}
			arm(c)
			c.StartAll()
			var epoch uint64
			cluster.Eventually(t, "a migration", func() (err error) {
				epoch, err = move(c, 2)
				return err
			})
			awaitFailpoint(t, c)
			path := fmt.Sprint("/v1/migrations/", epoch)
			for range 2 { // it may be asked for twice
				cluster.Eventually(t, "the cancellation", func() error { return askAny(c, http.MethodDelete, path, "", nil) })
			}
			release(t, c)
			cluster.Eventually(t, "the end of the migration", func() error {
				m, err := mapOf(c)
				if err != nil {
					return err
				}
				return settled(m, 1)
			})
			l.goesOn(t)
			l.check(t, 1)
		})
	}
}
