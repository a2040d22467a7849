package raftlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"

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
}

var _ types.MetaStore = (*walMeta)(nil)

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
	return m.BoltMetaDB.CommitState(state)
}

// writeIndex appends the offsets of a segment's entries to its file and returns
// where they begin.
func writeIndex(path string, s types.SegmentInfo) (start uint64, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	var index []byte
	eachFrame(b, func(at int, kind byte, _ []byte, _ int) bool {
		if kind == frameEntry {
			index = binary.LittleEndian.AppendUint32(index, uint32(at))
		}
		return true
	})
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
