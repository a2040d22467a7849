package simulation

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

func entries(from, to uint64) (out []*raft.Log) {
	for i := from; i <= to; i++ {
		out = append(out, &raft.Log{Index: i, Term: 1})
	}
	return out
}

// A crash keeps what was synced, and any beginning of what was not.
func TestCrashOfDisk(t *testing.T) {
	lengths := make(map[uint64]bool)
	for seed := range uint64(50) {
		synctest.Test(t, func(t *testing.T) {
			d := newDisk(rand.New(rand.NewPCG(seed, 0)), new(seen))
			f := d.open(1)
			if err := f.StoreLogs(entries(1, 3)); err != nil {
				t.Fatal(err)
			}
			d.hang()
			done := make(chan struct{})
			go func() {
				f.StoreLogs(entries(4, 6))
				close(done)
			}()
			synctest.Wait() // the write hangs
			if last, _ := f.LastIndex(); last != 3 {
				t.Fatalf("entry %d is there before it was synced", last)
			}
			d.crash()
			<-done
			last, _ := d.open(1).LastIndex()
			if last < 3 || last > 6 {
				t.Fatalf("after a crash the log ends at %d", last)
			}
			lengths[last] = true
			if f.StoreLogs(entries(last+1, last+1)); d.open(1).volume.now.last() != last {
				t.Fatal("a process wrote after its crash")
			}
		})
	}
	if len(lengths) != 4 {
		t.Errorf("of 50 crashes in a write of 3 entries these ends were seen: %v", lengths)
	}
}

// A disk that lies loses what it has confirmed; one that does not, does not.
func TestLyingDisk(t *testing.T) {
	for _, lies := range []bool{false, true} {
		lost := 0
		for seed := range uint64(20) {
			synctest.Test(t, func(t *testing.T) {
				d := newDisk(rand.New(rand.NewPCG(seed, 0)), new(seen))
				d.lies = lies
				d.open(1).StoreLogs(entries(1, 3))
				d.crash()
				if last, _ := d.open(1).LastIndex(); last != 3 {
					lost++
				}
			})
		}
		if lies != (lost > 0) {
			t.Errorf("lies %v: lost %d times", lies, lost)
		}
	}
}

// Entries that leave a gap are refused, as raft-wal does, and not there after a crash
// either; a range that is not there takes nothing with it.
func TestDiskRefusesGaps(t *testing.T) {
	for _, lies := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			d := newDisk(rand.New(rand.NewPCG(1, 0)), new(seen))
			d.lies = lies
			f := d.open(1)
			f.StoreLogs(entries(5, 8))
			if err := f.StoreLogs(entries(10, 12)); !errors.Is(err, errGap) {
				t.Errorf("lies %v: entry 10 behind 8 is answered %v", lies, err)
			}
			for _, r := range [][2]uint64{{1, 3}, {9, 20}} {
				f.DeleteRange(r[0], r[1])
			}
			first, _ := f.FirstIndex()
			if last, _ := f.LastIndex(); first != 5 || last != 8 {
				t.Errorf("lies %v: the log has entries %d to %d", lies, first, last)
			}
			d.crash()
			if last, _ := d.open(1).LastIndex(); last > 8 {
				t.Errorf("lies %v: the log ends at %d after a crash", lies, last)
			}
		})
	}
}

// Bytes of a link that is cut come in order when it is mended, and not before; those
// of a process that has ended do not come to be.
func TestNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(rand.New(rand.NewPCG(1, 0)))
		a, b := n.host("a").port(), n.host("b").port()
		l, err := b.Listen("b")
		if err != nil {
			t.Fatal(err)
		}
		near, err := a.Dial(t.Context(), "b")
		if err != nil {
			t.Fatal(err)
		}
		far, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		mend := n.cut("a", "b")
		near.Write([]byte("one "))
		near.Write([]byte("two"))
		start, buf := time.Now(), make([]byte, 7)
		far.SetReadDeadline(start.Add(time.Second))
		if _, err := far.Read(buf); err == nil || time.Since(start) != time.Second {
			t.Errorf("read through a cut: %v after %v", err, time.Since(start))
		}
		limited, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := a.Dial(limited, "b"); err == nil {
			t.Error("dialed through a cut")
		}
		mend()
		far.SetReadDeadline(time.Time{})
		if _, err := io.ReadFull(far, buf); err != nil || !bytes.Equal(buf, []byte("one two")) {
			t.Errorf("after it was mended: %q, %v", buf, err)
		}
		n.down(a.host)
		if _, err := far.Read(buf); err == nil {
			t.Error("a connection outlives its process")
		}
		if _, err := a.Dial(t.Context(), "b"); err == nil {
			t.Error("a process dialed after its end")
		}
	})
}
