package raftlog

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft-wal/fs"
	"github.com/hashicorp/raft-wal/types"
)

// However large appends are and wherever they begin after a restart: what was appended
// stands in the file, nothing but zeros behind it, and the next append finds space that
// has been written before.
func TestTailKeepsZerosAhead(t *testing.T) {
	background := newFlusher()
	defer background.close()
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("background, seed ", seed), func(t *testing.T) { testTail(t, background, rand.New(rand.NewPCG(seed, 0))) })
		t.Run(fmt.Sprint("no background, seed ", seed), func(t *testing.T) {
			testTail(t, flusher{}, rand.New(rand.NewPCG(seed, 0)))
		})
	}
}

func testTail(t *testing.T, flusher flusher, chance *rand.Rand) {
	const size = 5 << 20
	dir, name := t.TempDir(), "a.wal"
	files := tailFiles{fs.New(), flusher, nil}
	f, err := files.Create(dir, name, size)
	reopen := func() (types.WritableFile, error) {
		if err := f.Close(); err != nil {
			return nil, err
		}
		return files.OpenWriter(dir, name)
	}
	var want []byte
	for i := byte(1); len(want) < size; i++ {
		if i%5 == 0 {
			f, err = reopen()
		}
		if err != nil {
			t.Fatal(err)
		}
		longest := 5000
		if chance.IntN(2) == 0 {
			longest = 2 * mostAhead
		}
		b := bytes.Repeat([]byte{i}, 1+chance.IntN(longest))
		if _, err := f.WriteAt(b, int64(len(want))); err != nil {
			t.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
		want = append(want, b...)
		tail := f.(*tail)
		tail.done.Wait() // while zeros are on their way to the disk an append adds none
		if got, least := tail.filled, min(int64(size), int64(len(want)+leastAhead)); got < least {
			t.Fatalf("behind %d bytes there are zeros up to %d only", len(want), got)
		}
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != max(size, len(want)) {
			t.Fatalf("behind %d bytes the file has %d", len(want), len(got))
		}
		if !bytes.Equal(got[:len(want)], want) {
			t.Fatalf("of %d bytes some are not what was appended", len(want))
		}
		if behind := bytes.TrimLeft(got[len(want):], "\x00"); len(behind) > 0 {
			t.Fatalf("behind %d bytes there is something, %d bytes before the end of the file", len(want), len(behind))
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
