package raftlog

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/hashicorp/raft"
)

// Medium opens what a log is kept in. The usual one is files in a folder; the
// simulation (tests/simulation) has disks in memory that are slow, hang, lie and
// lose what was not on them at a crash. A log opens each of the two stores once
// and closes it.
type Medium interface {
	Stable() (StableStore, error)
	Entries() (EntryStore, error)
}

// StableStore holds term, vote and other small values durably: a write is on disk
// when it returns. A key that is missing is raft-boltdb's ErrKeyNotFound.
type StableStore interface {
	raft.StableStore
	Close() error
}

// EntryStore holds log entries durably. StoreLogs and DeleteRange return when
// what they did is on disk. Entries belong to the caller and do not change.
type EntryStore interface {
	raft.LogStore
	// Path names the store in errors.
	Path() string
	Close() error
}

// fileStore is an EntryStore whose files can be broken on purpose.
type fileStore interface {
	EntryStore
	// files lists where entries may lie.
	files() ([]string, error)
	// tear appends entries as a machine does that loses power meanwhile: that share
	// of what was written is there afterwards. The store cannot be used any more.
	tear(logs []*raft.Log, share float64) error
}

var (
	_ fileStore = (*walStore)(nil)
	_ fileStore = (*boltStore)(nil)
)

// errNoFiles is the error of breaking the files of a log that has none.
var errNoFiles = errors.New("the log does not lie in files")

// files is the medium of Options.Dir.
type files struct{ opts Options }

var _ Medium = files{}

// Stable opens raft.db. It returns nil with an error, and not a nil store.
func (f files) Stable() (StableStore, error) {
	s, err := openStable(filepath.Join(f.opts.Dir, "raft.db"))
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Entries opens the store that the options name.
func (f files) Entries() (EntryStore, error) {
	switch f.opts.Store {
	case WAL:
		if s, err := openWAL(filepath.Join(f.opts.Dir, "wal"), segmentSize, f.opts.Flushed, f.opts.Logger); err != nil {
			return nil, err
		} else {
			return s, nil
		}
	case BoltDB:
		if s, err := openBolt(filepath.Join(f.opts.Dir, "log.db"), f.opts.Flushed); err != nil {
			return nil, err
		} else {
			return s, nil
		}
	}
	return nil, fmt.Errorf("log store %q: there are %s and %s", f.opts.Store, WAL, BoltDB)
}
