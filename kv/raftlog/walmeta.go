package raftlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"

	"github.com/hashicorp/raft-wal/metadb"
	"github.com/hashicorp/raft-wal/types"
)

// walMeta is raft-wal's store of what it knows of its segments, with a mend:
// raft-wal 0.4.0 seals a segment without the index of its entries when a suffix
// of the log is deleted in it, as a follower does after a conflict, and cannot
// read the segment after the next start ("sealed segment has no index block").
// So the index is written here before the seal is recorded.
//
// It is put at the end of the file, behind the preallocated space, where the
// recovery of an unsealed segment does not look: a crash before the seal is
// recorded leaves the segment as it was.
type walMeta struct {
	metadb.BoltMetaDB
	dir     string
	indexes map[uint64]uint64 // where the index begins, by segment id
	newest  atomic.Pointer[[]types.SegmentInfo]
}

var _ types.MetaStore = (*walMeta)(nil)

// Load reads what is recorded.
func (m *walMeta) Load(dir string) (types.PersistentState, error) {
	state, err := m.BoltMetaDB.Load(dir)
	m.newest.Store(&state.Segments)
	return state, err
}

// segments returns the segments that the log consists of, by index. They must not
// be changed.
func (m *walMeta) segments() []types.SegmentInfo { return *m.newest.Load() }

// CommitState records the segments durably. raft-wal calls it from one goroutine
// at a time.
func (m *walMeta) CommitState(state types.PersistentState) error {
	for i := range state.Segments {
		s := &state.Segments[i]
		if s.SealTime.IsZero() || s.IndexStart != 0 || s.MaxIndex < s.BaseIndex {
			continue
		}
		start, known := m.indexes[s.ID]
		if !known {
			var err error
			if start, err = writeIndex(filepath.Join(m.dir, segmentName(*s)), *s); err != nil {
				return err
			}
			if m.indexes == nil {
				m.indexes = make(map[uint64]uint64)
			}
			m.indexes[s.ID] = start
		}
		s.IndexStart = start
	}
	if err := m.BoltMetaDB.CommitState(state); err != nil {
		return err
	}
	segments := slices.Clone(state.Segments)
	m.newest.Store(&segments)
	return nil
}

// writeIndex appends the offsets of a segment's entries to its file and returns
// where they begin.
func writeIndex(path string, s types.SegmentInfo) (start uint64, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	var index []byte
	for _, at := range entryFrames(b) {
		index = binary.LittleEndian.AppendUint32(index, at)
	}
	if entries := s.MaxIndex - s.BaseIndex + 1; uint64(len(index)/4) < entries {
		return 0, fmt.Errorf("%s: %w: it has %d entries, not %d", path, ErrDamaged, len(index)/4, entries)
	}
	start = uint64(len(b)+7) &^ 7
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return 0, err
	}
	_, err = f.WriteAt(index, int64(start))
	return start, errors.Join(err, f.Sync(), f.Close())
}
