package group

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
)

// FlipLogBit changes a bit of the replica's log on disk and tells where. It is a
// fault on purpose: the next start finds it.
func (g *Group) FlipLogBit(chance *rand.Rand) (where string, err error) { return g.log.FlipBit(chance) }

// FlipSnapshotBit changes a bit of the replica's newest snapshot on disk.
func (g *Group) FlipSnapshotBit(chance *rand.Rand) (where string, err error) {
	newest := g.snapshots.Newest()
	if newest.Index == 0 || newest.Size == 0 {
		return "", errors.New("there is no snapshot yet: take one with snapshot-storm")
	}
	f, err := os.OpenFile(newest.Path, os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	at, bit := chance.Int64N(newest.Size), chance.IntN(8)
	var b [1]byte
	if _, err = f.ReadAt(b[:], at); err == nil {
		b[0] ^= 1 << bit
		_, err = f.WriteAt(b[:], at)
	}
	return fmt.Sprintf("bit %d of byte %d of %s", bit, at, newest.Path), errors.Join(err, f.Sync(), f.Close())
}
