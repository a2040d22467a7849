package raftlog

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"

	"github.com/hashicorp/raft"
)

// FlipBit changes a bit of an entry on disk, as a bad sector does, and tells where.
// It chooses an entry that more were appended behind: damage in the very last append
// looks like a torn write. Who has the entry in memory does not notice; Check does.
func (l *Log) FlipBit(chance *rand.Rand) (where string, err error) {
	if err := l.WaitAllDurable(); err != nil {
		return "", err
	}
	first, last := l.Bounds()
	files, err := l.entries.files()
	if err != nil {
		return "", err
	}
	if last == 0 || last-first < 2 {
		return "", errors.New("the log has too few entries: write something first")
	}
	end := new(raft.Log)
	if err := l.GetLog(last, end); err != nil {
		return "", err
	}
	lastBatch := uint64(0)
	for _, path := range files {
		if err := eachCopy(path, end, func(_ *os.File, _ int64, batch uint64) error { lastBatch = batch; return nil }); err != nil {
			return "", err
		}
	}
	if lastBatch <= first {
		return "", errors.New("the log has too few entries: write something first")
	}
	victim := new(raft.Log)
	if err := l.GetLog(first+chance.Uint64N(lastBatch-first), victim); err != nil {
		return "", err
	}
	bit := chance.IntN(encodedSize(victim) * 8)
	for _, path := range files {
		err := eachCopy(path, victim, func(f *os.File, at int64, _ uint64) error {
			where = fmt.Sprintf("bit %d of byte %d of %s, in entry %d", bit%8, at+int64(bit/8), path, victim.Index)
			return flipBit(f, at+int64(bit/8), bit%8)
		})
		if err != nil {
			return "", err
		}
	}
	if where == "" {
		return "", fmt.Errorf("entry %d was not found in %s", victim.Index, l.entries.path())
	}
	return where, nil
}

// eachCopy calls fn for each place of a file where the encoded entry lies: bbolt
// leaves old pages behind.
func eachCopy(path string, log *raft.Log, fn func(f *os.File, at int64, batch uint64) error) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head := appendEntry(nil, log, 0)[4:24] // version to term; before it the checksum, behind it the batch
	size := encodedSize(log)
	for at := 0; ; {
		i := bytes.Index(b[at:], head)
		if i < 0 {
			return f.Sync()
		}
		start := at + i - 4
		at += i + 1
		if start < 0 || start+size > len(b) {
			continue
		}
		var found raft.Log
		batch, err := decodeEntry(b[start:start+size], &found)
		if err != nil {
			continue
		}
		if err := fn(f, int64(start), batch); err != nil {
			return err
		}
	}
}

func flipBit(f *os.File, at int64, bit int) error {
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		return err
	}
	b[0] ^= 1 << bit
	_, err := f.WriteAt(b[:], at)
	return err
}
