package faults

import (
	"testing"

	"raftkv/tests/cluster"
)

var stores = []string{"wal", "boltdb"}

// Acknowledged means on the disks of a quorum: killing whoever it may be, or all
// at once, in the middle of load, loses nothing.
func TestAcknowledgedWritesSurviveKills(t *testing.T) {
	for _, store := range stores {
		t.Run(store, func(t *testing.T) {
			c := cluster.Start(t, cluster.Options{Flags: []string{"--log-store=" + store}})
			l := startLoad(c, 8)
			l.more(t, 200)

			leader := c.Leader()
			if err := c.Kill(leader); err != nil {
				t.Fatal(err)
			}
			l.more(t, 200) // another one leads
			c.StartAll()

			follower := c.Followers()[0]
			if err := c.Kill(follower); err != nil {
				t.Fatal(err)
			}
			l.more(t, 200)
			c.StartAll()
			l.more(t, 200)

			for range 2 {
				c.KillAll()
				c.StartAll()
				l.more(t, 200)
			}
			checkAll(t, c, l.finish())
		})
	}
}
