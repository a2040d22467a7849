package raftlog

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/raft-wal/types"
)

// An append that fills a segment writes the index of its entries behind it; then
// raft-wal records, in the background, that the segment is sealed, and begins the next
// one. If the process dies in between, or in that very append, raft-wal 0.4.0 opens the
// segment as the one to append to, sees the index, and refuses every append: "segment
// is sealed". So what it has left undone is done when the log is opened.

// hasIndex tells whether an index was written to a segment, be it in an append that a
// crash has torn.
func hasIndex(b []byte) (found bool) {
	eachFrame(b, func(_ int, kind byte, _ []byte, _ int) bool {
		found = kind == frameIndex
		return !found
	})
	return found
}

// sealLast records the last segment as sealed, with entries up to last, and an empty
// one behind it, whose file raft-wal makes. raft-wal must have looked at the segment,
// which tells what last is, and be closed.
func (m *walMeta) sealLast(last uint64) error {
	state, err := m.Load(m.dir)
	if err != nil {
		return err
	}
	full := &state.Segments[len(state.Segments)-1]
	if last < full.BaseIndex {
		// All that was in it was torn: it is begun anew.
		err := os.Remove(filepath.Join(m.dir, segmentName(*full)))
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return err
	}
	full.SealTime, full.MaxIndex = time.Now(), last // CommitState sees to its index
	state.Segments = append(state.Segments, types.SegmentInfo{
		ID: state.NextSegmentID, BaseIndex: last + 1, MinIndex: last + 1,
		SizeLimit: full.SizeLimit, Codec: full.Codec, CreateTime: time.Now(),
	})
	state.NextSegmentID++
	return m.CommitState(state)
}
