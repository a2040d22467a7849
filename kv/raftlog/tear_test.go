package raftlog

import (
	"errors"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"
)

// dying tears one append.
type dying struct {
	share float64
	torn  bool
}

func (d *dying) Before(string) error  { return nil }
func (d *dying) Free() (uint64, bool) { return 0, false }
func (d *dying) Torn() (float64, func(), bool) {
	return d.share, func() { d.torn = true }, !d.torn
}

// A process that dies in an append is never heard of it, and its log ends before it
// at the next start, however much of it is on disk; what came before is whole.
func TestTornAppend(t *testing.T) {
	eachStore(t, func(t *testing.T, store string) {
		for _, share := range []float64{0.3, 0} {
			opts := Options{Dir: t.TempDir(), Store: store}
			l := open(t, opts, 0)
			fill(t, l, 1, 10)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			opts.Faults = &dying{share: share}
			l = open(t, opts, 0)
			if err := l.StoreLogs([]*raft.Log{entry(11, 1), entry(12, 1), entry(13, 1)}); err == nil {
				t.Fatalf("share %v: an append is confirmed in which the process died", share)
			}
			l.Close() // as after a failure: nothing is written any more
			opts.Faults = nil
			l = open(t, opts, 0)
			expect(t, l, 1, 10)
			fill(t, l, 11, 20)
			expect(t, l, 1, 20)
		}
	})
}

// A flipped bit is found at the next start, wherever chance has put it.
func TestFlippedBitIsFound(t *testing.T) {
	eachStore(t, func(t *testing.T, store string) {
		for seed := range uint64(2) {
			opts := Options{Dir: t.TempDir(), Store: store}
			l := open(t, opts, 0)
			if where, err := l.FlipBit(rand.New(rand.NewPCG(seed, 0))); err == nil {
				t.Fatalf("an empty log has %s", where)
			}
			fill(t, l, 1, 5)
			if err := l.StoreLogs([]*raft.Log{entry(6, 1), entry(7, 1)}); err != nil {
				t.Fatal(err)
			}
			where, err := l.FlipBit(rand.New(rand.NewPCG(seed, 0)))
			if err != nil {
				t.Fatal(err)
			}
			expect(t, l, 1, 7) // who has it in memory does not notice
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if err := reopen(opts, 0); !errors.Is(err, ErrDamaged) {
				t.Errorf("seed %d, %s in %s: %v", seed, where, filepath.Base(opts.Dir), err)
			}
		}
	})
}
