package raftlog

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"sync"

	"github.com/hashicorp/raft"
	"github.com/hashicorp/raft-wal/types"
)

// Bounds of one read of a segment file, in bytes. It begins small, since most logs
// are, and doubles while it goes on; what is read should be in the processor's cache
// still when it is verified.
const (
	leastWindow = 64 << 10
	mostWindow  = 256 << 10
)

// maxFrame is the largest entry that raft-wal takes, in bytes.
const maxFrame = 64 << 20

// readAhead reads entries that follow each other from raft-wal's segment files, a
// window at a time. raft-wal reads at least 64 KiB for each entry, and copies it;
// a node that starts reads its log twice over: once to check it, and once to apply it.
//
// It answers only what it is sure of, and leaves all else to raft-wal: entries that
// do not follow the last one, and whatever does not decode. So it knows no errors.
//
// What it has read ahead stays true: entries up to the log's end at the time of
// the read do not change, and those behind it are not believed but read again,
// because a crash may have left there what an append then replaces. Whoever cuts
// the log calls forget.
type readAhead struct {
	dir string
	// segments returns those that the log consists of now, by index.
	segments func() []types.SegmentInfo
	// end returns the last index that is on disk.
	end func() uint64
	// tail knows where the entries of one unsealed segment lie.
	tail tailOffsets
	// reuse says that an entry is looked at before the next one is read, and no more
	// afterwards: then one window is enough. Memory that was never used before costs
	// more than what is read into it.
	reuse bool

	mu     sync.Mutex
	last   uint64   // what was asked for last
	file   *os.File // nil: nowhere
	max    uint64   // the last entry of file; 0: it grows
	next   uint64   // the entry whose frame is next; a frame of another kind may come before
	from   int64    // where in file the window begins
	window []byte   // entries point into it: unless reuse is set, it is never written again
	at     int      // where in window the next frame begins
	until  uint64   // the last entry that may be believed of what is in window
	grow   int      // how much to read next
	fresh  bool     // a window was read for the entry that was asked for last
}

// tailOffsets tells where the frames of a segment's entries begin: those that were
// there when the log was opened. A sealed segment has them in its file.
type tailOffsets struct {
	segment uint64 // its id
	base    uint64 // index of the first
	frames  []uint32
}

// cut forgets entries behind last: what a crash has torn off, raft-wal writes over.
func (t *tailOffsets) cut(last uint64) {
	t.frames = t.frames[:min(uint64(len(t.frames)), last+1-min(t.base, last+1))]
}

// get reads the entry at index, which must lie in the log, and tells whether it
// could. log.Data must not be changed.
func (r *readAhead) get(index uint64, log *raft.Log) bool {
	ok, fresh := r.look(index, log)
	if fresh && !r.reuse {
		// Who applies what was read comes first: raft queues 128 batches, and with one
		// processor it would read most of a log before any of it is applied.
		runtime.Gosched()
	}
	return ok
}

// look does what get says, and tells whether it has read a window for it.
func (r *readAhead) look(index uint64, log *raft.Log) (ok, fresh bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fresh = false
	follows := index == r.last+1
	r.last = index
	if r.file == nil || index != r.next {
		r.drop()
		if !follows || !r.seek(index) {
			return false, false
		}
	}
	if r.read(index, log) {
		r.next++
		return true, r.fresh
	}
	r.drop()
	return false, false
}

// forget drops what was read ahead.
func (r *readAhead) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop()
}

func (r *readAhead) drop() {
	if r.file != nil {
		r.file.Close()
	}
	r.file, r.at, r.next = nil, 0, 0
	if r.window = r.window[:0]; !r.reuse {
		r.window = nil
	}
}

// seek goes to the entry at index.
func (r *readAhead) seek(index uint64) bool {
	list := r.segments()
	s := sort.Search(len(list), func(i int) bool { return list[i].BaseIndex > index }) - 1
	if s < 0 {
		return false
	}
	segment := list[s]
	sealed := !segment.SealTime.IsZero()
	if index < segment.MinIndex || sealed && index > segment.MaxIndex {
		return false
	}
	file, err := os.Open(filepath.Join(r.dir, segmentName(segment)))
	if err != nil {
		return false
	}
	at, ok := r.offset(file, segment, index)
	if !ok {
		file.Close()
		return false
	}
	r.file, r.from, r.at = file, at, 0
	r.next, r.max, r.until, r.grow = index, 0, 0, leastWindow
	if sealed {
		r.max = segment.MaxIndex
	}
	return true
}

// offset returns where in a segment's file the frame of an entry begins.
func (r *readAhead) offset(file *os.File, s types.SegmentInfo, index uint64) (int64, bool) {
	nth := index - s.BaseIndex
	switch {
	case nth == 0:
		return fileHeader, true
	case !s.SealTime.IsZero() && s.IndexStart != 0:
		var b [4]byte
		if _, err := file.ReadAt(b[:], int64(s.IndexStart+4*nth)); err != nil {
			return 0, false
		}
		return int64(binary.LittleEndian.Uint32(b[:])), true
	case s.ID == r.tail.segment && s.BaseIndex == r.tail.base && nth < uint64(len(r.tail.frames)):
		return int64(r.tail.frames[nth]), true
	}
	return 0, false
}

// read decodes the entry at index, which is the next one, and goes behind it.
func (r *readAhead) read(index uint64, log *raft.Log) bool {
	if r.max != 0 && index > r.max {
		r.drop()
		if !r.seek(index) {
			return false
		}
	}
	for {
		if !r.have(index, frameHeader) {
			return false
		}
		kind, n := r.window[r.at], int(binary.LittleEndian.Uint32(r.window[r.at+4:]))
		switch {
		case kind == frameCommit:
			r.at += frameHeader
			continue
		case kind != frameEntry || n > maxFrame:
			return false // the end of a segment that is being sealed, or damage
		}
		padded := frameHeader + (n+7)&^7
		if !r.have(index, padded) {
			return false
		}
		payload := r.window[r.at+frameHeader : r.at+frameHeader+n : r.at+frameHeader+n]
		if _, err := decodeFrame(payload, log); err != nil || log.Index != index {
			return false
		}
		r.at += padded
		return true
	}
}

// have sees to it that the window has so many bytes from where the next frame
// begins, and that they are those of index.
func (r *readAhead) have(index uint64, bytes int) bool {
	if index <= r.until && r.at+bytes <= len(r.window) {
		return true
	}
	until := r.end() // before the read: what it promises is on disk by then
	if index > until {
		return false
	}
	r.from += int64(r.at)
	r.at = 0
	size := max(r.grow, bytes)
	if !r.reuse || cap(r.window) < size {
		r.window = make([]byte, size)
	}
	n, _ := r.file.ReadAt(r.window[:size], r.from) // short at the end of the file
	r.window, r.until, r.fresh = r.window[:n], until, true
	r.grow = min(2*r.grow, mostWindow)
	return bytes <= n
}
