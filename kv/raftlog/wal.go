package raftlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

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
	ahead    *readAhead
	full     bool // the last segment was full when it was opened (fullsegment.go)
}

func openWAL(dir string, segmentSize int, flushed func(time.Duration), logger hclog.Logger) (*walStore, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	s := &walStore{dir: dir, meta: &walMeta{dir: dir}, segments: openSegments(dir, flushed, logger)}
	s.ahead = &readAhead{dir: dir, segments: s.meta.segments}
	err := withoutPanic(dir, func() error {
		if err := checkBolt(filepath.Join(dir, metadb.FileName)); err != nil {
			return err
		}
		// raft-wal repairs its tail when it opens it, which destroys what tells
		// damage from a torn write: look first.
		if err := s.checkTail(); err != nil {
			return err
		}
		open := func() (err error) {
			s.WAL, err = wal.Open(dir,
				wal.WithSegmentSize(segmentSize),
				wal.WithMetaStore(s.meta),
				wal.WithSegmentFiler(s.segments),
				wal.WithLogger(logger))
			return err
		}
		if err := open(); err != nil || !s.full {
			return err
		}
		last := s.lastOnDisk()
		if err := s.WAL.Close(); err != nil {
			return err
		}
		if err := s.meta.sealLast(last); err != nil {
			return err
		}
		return open()
	})
	if err != nil {
		s.segments.close()
		s.meta.Close()
		return nil, err
	}
	s.ahead.end = s.lastOnDisk
	s.ahead.tail.cut(s.lastOnDisk())
	return s, nil
}

// Close closes what raft-wal 0.4.0 leaves open, too.
func (s *walStore) Close() error {
	s.settle()
	s.ahead.forget()
	err := s.WAL.Close()
	s.segments.close()
	return errors.Join(err, s.meta.Close())
}

func (s *walStore) lastOnDisk() uint64 {
	last, _ := s.WAL.LastIndex() // fails only when it is closed
	return last
}

// Path returns the folder.
func (s *walStore) Path() string { return s.dir }

func (s *walStore) StoreLogs(logs []*raft.Log) error {
	return s.WAL.StoreLogs(wrap(logs))
}

// DeleteRange removes a prefix or a suffix of the log. The files of a prefix go by and
// by. Those of a suffix are gone: whoever reads the folder must not find them beside
// what is written in their place.
func (s *walStore) DeleteRange(from, to uint64) error {
	s.settle()
	last := s.lastOnDisk()
	// Behind it, because a reader may have read ahead meanwhile.
	defer s.ahead.forget()
	if err := s.WAL.DeleteRange(from, to); err != nil {
		return err
	}
	if to >= last {
		s.segments.settle()
	}
	return nil
}

// settle waits until raft-wal has begun the segment behind one that is full, which it
// does in the background. If entries are deleted or the log is closed meanwhile,
// raft-wal 0.4.0 cannot append any more, because it takes another segment for the full
// one, or the full one for the last. Appends wait for it, also one that is refused.
func (s *walStore) settle() {
	if last := s.lastOnDisk(); last > 0 {
		s.WAL.StoreLogs([]*raft.Log{{Index: last}})
	}
}

func (s *walStore) GetLog(index uint64, log *raft.Log) (err error) {
	if s.ahead.get(index, log) {
		return nil
	}
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

// each calls fn for the entries from..to, which must lie in the log. An entry is fn's
// until it returns.
func (s *walStore) each(from, to uint64, fn func(*raft.Log) error) error {
	ahead := s.reader(from - 1)
	defer ahead.forget()
	var log raft.Log
	for index := from; index <= to; index++ {
		if !ahead.get(index, &log) {
			if err := s.GetLog(index, &log); err != nil {
				return fmt.Errorf("entry %d: %w", index, err)
			}
		}
		if err := fn(&log); err != nil {
			return err
		}
	}
	return nil
}

// reader reads the entries behind last, one after the other. Each is good until the
// next one is read.
func (s *walStore) reader(last uint64) *readAhead {
	return &readAhead{dir: s.dir, segments: s.meta.segments, end: s.lastOnDisk, tail: s.ahead.tail, reuse: true, last: last}
}

// decodeFrame decodes the payload of an entry's frame: a raft.Log as raft-wal
// encodes it, and in its data our own (codec.go). log points into b.
func decodeFrame(b []byte, log *raft.Log) (batch uint64, err error) {
	// Index, term and type are in our header, too; so is the time behind the data.
	for range 3 {
		_, n := binary.Uvarint(b)
		if n <= 0 {
			return 0, fmt.Errorf("%w: a frame of an entry that makes no sense", ErrDamaged)
		}
		b = b[n:]
	}
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return 0, fmt.Errorf("%w: a frame of an entry that is longer than it says", ErrDamaged)
	}
	return decodeEntry(b[n:n+int(size):n+int(size)], log)
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
	b, unmap, err := mapFile(path)
	if errors.Is(err, os.ErrNotExist) && tail.SealTime.IsZero() {
		return nil // a crash before the first append; raft-wal makes it anew
	}
	if err != nil {
		return err
	}
	defer unmap()
	if tail.SealTime.IsZero() && len(b) < int(tail.SizeLimit) {
		return fmt.Errorf("%s: %w: it has %d bytes and was made with %d", path, ErrDamaged, len(b), tail.SizeLimit)
	}
	end, last := scanFrames(b, tail.BaseIndex)
	if batch, index := laterBatch(b[min(end, len(b)):], last); batch != 0 {
		return fmt.Errorf("%s: %w: it can be read up to entry %d, but entry %d lies behind", path, ErrDamaged, last, index)
	}
	s.full = tail.SealTime.IsZero() && hasIndex(b)
	s.ahead.tail = tailOffsets{segment: tail.ID, base: tail.BaseIndex, frames: entryFrames(b)}
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

// entryFrames returns where the frames of a segment's entries begin.
func entryFrames(b []byte) (offsets []uint32) {
	eachFrame(b, func(at int, kind byte, _ []byte, _ int) bool {
		if kind == frameEntry {
			offsets = append(offsets, uint32(at))
		}
		return true
	})
	return offsets
}

var zeros [4096]byte

// laterBatch finds an intact entry that was appended later than the append
// that begins behind last.
func laterBatch(b []byte, last uint64) (batch, index uint64) {
	for at := 0; at+frameHeader+codecHeader <= len(b); at += 8 {
		if at%len(zeros) == 0 { // most of it has never been written
			for at+len(zeros) <= len(b) && bytes.Equal(b[at:at+len(zeros)], zeros[:]) {
				at += len(zeros)
			}
			if at+frameHeader+codecHeader > len(b) {
				break
			}
		}
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
