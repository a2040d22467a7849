package raftlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
	"github.com/hashicorp/raft-wal/metadb"
	"github.com/hashicorp/raft-wal/types"
)

// segmentSize is that of raft-wal's files, in bytes. Each is preallocated, and
// one lies ready beside those in use, so it must suit a laptop.
const segmentSize = 16 << 20

// walStore keeps entries in raft-wal.
type walStore struct {
	*wal.WAL
	dir      string
	meta     *walMeta
	segments *segments
}

func openWAL(dir string, logger hclog.Logger) (*walStore, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	s := &walStore{dir: dir, meta: &walMeta{dir: dir}, segments: openSegments(dir, logger)}
	err := withoutPanic(dir, func() error {
		if err := checkBolt(filepath.Join(dir, metadb.FileName)); err != nil {
			return err
		}
		// raft-wal repairs its tail when it opens it, which destroys what tells
		// damage from a torn write: look first.
		if err := s.checkTail(); err != nil {
			return err
		}
		var err error
		s.WAL, err = wal.Open(dir,
			wal.WithSegmentSize(segmentSize),
			wal.WithMetaStore(s.meta),
			wal.WithSegmentFiler(s.segments),
			wal.WithLogger(logger))
		return err
	})
	if err != nil {
		s.segments.close()
		s.meta.Close()
		return nil, err
	}
	return s, nil
}

// Close closes what raft-wal 0.4.0 leaves open, too.
func (s *walStore) Close() error {
	err := s.WAL.Close()
	s.segments.close()
	return errors.Join(err, s.meta.Close())
}

// Path returns the folder.
func (s *walStore) Path() string { return s.dir }

func (s *walStore) StoreLogs(logs []*raft.Log) error {
	return s.WAL.StoreLogs(wrap(logs))
}

// DeleteRange removes a prefix at once but for its files, which go by and by. Those of
// a suffix are gone: whoever reads the folder must not find them beside what is
// written in their place.
func (s *walStore) DeleteRange(min, max uint64) error {
	last, err := s.WAL.LastIndex()
	if err != nil {
		return err
	}
	if err := s.WAL.DeleteRange(min, max); err != nil {
		return err
	}
	if max >= last {
		s.segments.settle()
	}
	return nil
}

func (s *walStore) GetLog(index uint64, log *raft.Log) (err error) {
	// raft-wal's decoder panics on some damaged bytes.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, r)
		}
	}()
	var wrapped raft.Log
	if err := s.WAL.GetLog(index, &wrapped); err != nil {
		return err
	}
	_, err = decodeEntry(wrapped.Data, log)
	return err
}

// decodeFrame decodes the payload of an entry's frame.
func decodeFrame(b []byte, log *raft.Log) (batch uint64, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, r)
		}
	}()
	var wrapped raft.Log
	if err := new(wal.BinaryCodec).Decode(b, &wrapped); err != nil {
		return 0, fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	return decodeEntry(wrapped.Data, log)
}

// checkTail looks for damage in the last segment that raft-wal would take for
// the torn write of a crash, and cut off. A torn write can leave parts of ONE
// append behind the end; whatever was appended after that one proves that it
// had been complete.
func (s *walStore) checkTail() error {
	meta := new(metadb.BoltMetaDB)
	if _, err := os.Stat(filepath.Join(s.dir, metadb.FileName)); errors.Is(err, os.ErrNotExist) {
		// A new log, or one that lost what tells of its segments.
		if files, _ := filepath.Glob(filepath.Join(s.dir, "*.wal")); len(files) > 0 {
			return fmt.Errorf("%s: %w: %s is missing beside its segments", s.dir, ErrDamaged, metadb.FileName)
		}
		return nil
	}
	state, err := meta.Load(s.dir)
	if err != nil {
		return err
	}
	if err := meta.Close(); err != nil {
		return err
	}
	if len(state.Segments) == 0 {
		return nil
	}
	tail := state.Segments[len(state.Segments)-1]
	path := filepath.Join(s.dir, segmentName(tail))
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) && tail.SealTime.IsZero() {
		return nil // a crash before the first append; raft-wal makes it anew
	}
	if err != nil {
		return err
	}
	if tail.SealTime.IsZero() && len(b) < int(tail.SizeLimit) {
		return fmt.Errorf("%s: %w: it has %d bytes and was made with %d", path, ErrDamaged, len(b), tail.SizeLimit)
	}
	end, last := scanFrames(b, tail.BaseIndex)
	if batch, index := laterBatch(b[min(end, len(b)):], last); batch != 0 {
		return fmt.Errorf("%s: %w: it can be read up to entry %d, but entry %d lies behind", path, ErrDamaged, last, index)
	}
	return nil
}

func segmentName(s types.SegmentInfo) string {
	return fmt.Sprintf("%020d-%016x.wal", s.BaseIndex, s.ID)
}

// Frames of a segment file (raft-wal's segment/format.go): a header of 8 bytes
// with type and length, then the payload, padded to 8.
const (
	fileHeader  = 32
	frameHeader = 8
	frameEntry  = 1
	frameIndex  = 2
	frameCommit = 3
)

// scanFrames reads a segment as raft-wal does at its start. It returns where the
// last commit ends and the last index that is committed.
func scanFrames(b []byte, base uint64) (end int, last uint64) {
	eachFrame(b, func(_ int, kind byte, _ []byte, next int) bool {
		switch kind {
		case frameEntry:
			base++
		case frameCommit:
			end, last = next, base-1
		}
		return true
	})
	return end, last
}

// eachFrame calls fn for the frames of a segment, with where each begins and
// ends, until one makes no sense.
func eachFrame(b []byte, fn func(at int, kind byte, payload []byte, next int) bool) {
	for at := fileHeader; at+frameHeader <= len(b); {
		kind, n := b[at], int(binary.LittleEndian.Uint32(b[at+4:]))
		switch kind {
		case frameCommit:
			n = 0
		case frameEntry, frameIndex:
		default:
			return
		}
		next := at + frameHeader + (n+7)&^7
		if n > len(b) || next > len(b) {
			return
		}
		if !fn(at, kind, b[at+frameHeader:at+frameHeader+n], next) {
			return
		}
		at = next
	}
}

// laterBatch finds an intact entry that was appended later than the append
// that begins behind last.
func laterBatch(b []byte, last uint64) (batch, index uint64) {
	for at := 0; at+frameHeader+codecHeader <= len(b); at += 8 {
		if b[at] != frameEntry {
			continue
		}
		n := int(binary.LittleEndian.Uint32(b[at+4:]))
		if n < codecHeader || at+frameHeader+n > len(b) {
			continue
		}
		var log raft.Log
		batch, err := decodeFrame(b[at+frameHeader:at+frameHeader+n], &log)
		if err == nil && batch > last+1 {
			return batch, log.Index
		}
	}
	return 0, 0
}

// eachSegmentEntry decodes a segment file that may be in use, up to the first
// thing that does not decode.
func eachSegmentEntry(r io.Reader, fn func(*raft.Log) error) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	eachFrame(b, func(_ int, kind byte, payload []byte, _ int) bool {
		if kind != frameEntry {
			return true
		}
		var log raft.Log
		if _, err = decodeFrame(payload, &log); err == nil {
			err = fn(&log)
		}
		return err == nil
	})
	return err
}
