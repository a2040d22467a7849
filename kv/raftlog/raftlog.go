// Package raftlog is where a group's raft state lies on disk: term and vote in
// raft-boltdb always, log entries in raft-wal or, on request, in raft-boltdb
// too. Around both stand guard rails against what has broken other systems on
// these parts:
//
//   - a vote is one transaction (stable.go);
//   - the first failed write latches: nothing is acknowledged ever after;
//   - a disk that does not answer is noticed (watchdog.go);
//   - a disk that is nearly full refuses entries before it is full (space.go);
//   - every entry has a checksum, and the whole log is checked before raft
//     sees any of it (check.go).
package raftlog

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"

	"raftkv/kv/pulse"
)

// Errors of Open and Check. Both mean that the files cannot be trusted.
var (
	// ErrDamaged: a file does not hold what was written to it.
	ErrDamaged = errors.New("damaged")
	// ErrHole: the log begins behind the newest snapshot, so entries are missing.
	ErrHole = errors.New("entries are missing between snapshot and log")
)

// ErrFull: the disk is below its low-water mark and the entry was not written.
var ErrFull = errors.New("the disk is nearly full")

// Names of the stores for log entries.
const (
	WAL    = "wal"
	BoltDB = "boltdb"
)

// Options say where and how a log is kept.
type Options struct {
	Dir   string
	Store string // WAL or BoltDB; empty: WAL

	// MinFree is the low-water mark of free disk in bytes. 0: none.
	MinFree uint64
	// HangTimeout is how long one write may take before OnHang is called.
	// 0: for ever.
	HangTimeout time.Duration
	// Pulse wakes whoever looks for that. Nil: a portable one.
	Pulse *pulse.Pulse

	// OnFailure is called once, when a write has failed and nothing can be
	// written any more. It must not block.
	OnFailure func(error)
	// OnHang is called once, when a write takes longer than HangTimeout. It must
	// not block.
	OnHang func(operation string, waited time.Duration)
	// Early, if set, tells whether StoreLogs, on the goroutine that calls it, may
	// return before the entries are on disk. It may on a leader whose WaitDurable
	// is asked before anything comes of them.
	Early func() bool
	// Stored, if set, is told of every durable append.
	Stored func(entries, bytes int, took time.Duration)
	// Wrote, if set, is told of the same, with the entries. It must not block.
	Wrote func(logs []*raft.Log, took time.Duration)
	// Flushed, if set, is told how long each fsync of an append took; of BoltDB's, with
	// the writing of the pages before it.
	Flushed func(took time.Duration)

	// Medium is what the log is kept in. Nil: files in Dir.
	Medium Medium
	Faults Faults // for tests
	// Broken are rules that shall not hold: tests show that it is found out.
	Broken Rules
	Logger hclog.Logger
}

// Log implements raft.LogStore and raft.StableStore. Raft calls StoreLogs and
// DeleteRange from one goroutine; all methods may be called from any.
type Log struct {
	opts    Options
	stable  StableStore
	entries EntryStore
	guard   *guard
	writer  *appender

	mu       sync.RWMutex // guards what follows
	first    uint64       // 0: empty
	last     uint64
	bytes    int64 // encoded, of the entries first..last, estimated after a compaction
	cache    cache
	voteTerm uint64 // of the vote that raft is about to write

	committed Committed // when it was checked

	pass      atomic.Pointer[pass] // while raft starts
	space     space
	closeOnce sync.Once
	closed    atomic.Bool
}

var (
	_ raft.LogStore          = (*Log)(nil)
	_ raft.StableStore       = (*Log)(nil)
	_ raft.MonotonicLogStore = (*Log)(nil)
)

// Open opens the log in opts.Dir, or makes it. It fails with ErrDamaged, naming
// the file, if something is broken that can be seen so early; call Check next.
func Open(opts Options) (_ *Log, err error) {
	if opts.Logger == nil {
		opts.Logger = hclog.NewNullLogger()
	}
	if opts.Store == "" {
		opts.Store = WAL
	}
	if opts.Pulse == nil {
		opts.Pulse = pulse.Portable()
	}
	opts.Broken = opts.Broken.complete()
	l := &Log{opts: opts, space: space{dir: opts.Dir, faults: opts.Faults}}
	defer func() {
		if err != nil {
			l.Close()
		}
	}()
	if opts.Medium == nil {
		opts.Medium = files{opts}
	}
	if l.stable, err = opts.Medium.Stable(); err != nil {
		return nil, err
	}
	if err := l.settleStore(); err != nil {
		return nil, err
	}
	if l.entries, err = opts.Medium.Entries(); err != nil {
		return nil, err
	}
	l.guard = newGuard(opts)
	write := l.write
	if opts.Broken&Fsync != 0 {
		write = func(logs []*raft.Log) error {
			time.Sleep(writeBack)
			return l.write(logs)
		}
	}
	l.writer = newAppender(write)
	return l, nil
}

// keyStore records which store a folder uses.
var keyStore = []byte("raftkv:LogStore")

// settleStore refuses to open a folder with another store than it was made
// with: the entries would seem to be lost.
func (l *Log) settleStore() error {
	was, err := l.stable.Get(keyStore)
	switch {
	case errors.Is(err, raftboltdb.ErrKeyNotFound):
		return l.stable.Set(keyStore, []byte(l.opts.Store))
	case err != nil:
		return err
	case string(was) != l.opts.Store:
		return fmt.Errorf("%s was made with --log-store=%s and cannot be opened with --log-store=%s", l.opts.Dir, was, l.opts.Store)
	}
	return nil
}

// IsMonotonic tells raft to remove the log before it goes on behind an
// installed snapshot. raft-wal needs that, and stores that do not ask for it
// can loop on InstallSnapshot for ever (hashicorp/raft issue 697).
func (l *Log) IsMonotonic() bool { return true }

// FirstIndex returns the first entry's index, 0 if the log is empty.
func (l *Log) FirstIndex() (uint64, error) {
	first, _ := l.Bounds()
	return first, nil
}

// LastIndex returns the last entry's index, 0 if the log is empty.
func (l *Log) LastIndex() (uint64, error) {
	_, last := l.Bounds()
	return last, nil
}

// Bounds returns the first and last index, 0 and 0 if the log is empty.
func (l *Log) Bounds() (first, last uint64) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.first, l.last
}

// SizeBytes estimates the encoded size of the entries in the log.
func (l *Log) SizeBytes() int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.bytes
}

// StoreLog appends one entry durably.
func (l *Log) StoreLog(log *raft.Log) error { return l.StoreLogs([]*raft.Log{log}) }

// StoreLogs appends entries durably, or begins to if Options.Early says so.
// ErrFull means that nothing was written; after any other error nothing can be
// written ever again.
func (l *Log) StoreLogs(logs []*raft.Log) error {
	if len(logs) == 0 {
		return nil
	}
	// Clients' writes are refused at the mark (Writable). Below it there is room
	// left for what must go on: votes, a new leader's first entry, and the
	// entries of a leader whose own disk has room. It is not measured each time:
	// a system call that the scheduler is told of costs as much as the append.
	if err := l.space.checkCached(l.opts.MinFree / 4); err != nil {
		return err
	}
	size := 0
	for _, log := range logs {
		size += encodedSize(log)
	}
	if l.early(logs, size) {
		// In the cache first: there it must be found by those who replicate it.
		l.appended(logs, size)
		return l.writer.add(logs, size)
	}
	if err := l.writer.drain(); err != nil {
		return err
	}
	if err := l.write(logs); err != nil {
		return err
	}
	l.appended(logs, size)
	l.writer.reached(logs[len(logs)-1].Index)
	return nil
}

// early tells whether logs may be written while they are being replicated. A
// change of membership may not: raft allows the next one as soon as it counts
// this one as committed.
func (l *Log) early(logs []*raft.Log, size int) bool {
	leads := l.opts.Early != nil && l.opts.Early() || l.opts.Broken&Fsync != 0
	if !leads || !l.writer.room(size) {
		return false
	}
	return !slices.ContainsFunc(logs, func(log *raft.Log) bool { return log.Type == raft.LogConfiguration })
}

// write puts entries on disk.
func (l *Log) write(logs []*raft.Log) error {
	start := time.Now()
	if err := l.guard.write("append", func() error { return l.store(logs) }); err != nil {
		return err
	}
	if l.opts.Wrote != nil {
		l.opts.Wrote(logs, time.Since(start))
	}
	if l.opts.Stored != nil {
		size := 0
		for _, log := range logs {
			size += encodedSize(log)
		}
		l.opts.Stored(len(logs), size, time.Since(start))
	}
	return nil
}

// store appends entries to the files. It does not come back from a torn write.
func (l *Log) store(logs []*raft.Log) error {
	if l.opts.Faults != nil {
		if share, die, torn := l.opts.Faults.Torn(); torn {
			err := errNoFiles
			if s, ok := l.entries.(fileStore); ok {
				err = s.tear(logs, share)
			}
			die()
			return errors.Join(errors.New("torn on purpose, and the process lives"), err)
		}
	}
	return l.entries.StoreLogs(logs)
}

// appended makes entries part of what readers see.
func (l *Log) appended(logs []*raft.Log, size int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == 0 {
		l.first = logs[0].Index
	}
	l.last = logs[len(logs)-1].Index
	l.bytes += int64(size)
	l.cache.limit = cacheBytes
	l.cache.add(logs)
}

// Durable returns the index up to which the log is on disk.
func (l *Log) Durable() uint64 {
	if l.opts.Broken&CommitGate != 0 {
		_, last := l.Bounds()
		return last
	}
	return l.writer.durable.Load()
}

// WaitDurable waits until the log is on disk up to index, which must lie in it or
// before it. It fails if that will never be so.
func (l *Log) WaitDurable(index uint64) error {
	if l.opts.Broken&ApplyGate != 0 {
		return nil
	}
	return l.writer.wait(index)
}

// WaitAllDurable waits until all entries that were stored are on disk.
func (l *Log) WaitAllDurable() error {
	if l.opts.Broken&VouchGate != 0 {
		return nil
	}
	_, last := l.Bounds()
	return l.writer.wait(last)
}

// DeleteRange removes a prefix or a suffix of the log.
func (l *Log) DeleteRange(from, to uint64) error {
	if err := l.space.check(l.opts.MinFree / 8); err != nil {
		return err
	}
	// What goes must have arrived. If the end of the log goes, then on the
	// goroutine that appends to it.
	_, last := l.Bounds()
	if err := l.writer.wait(min(to, last)); err != nil {
		return err
	}
	return l.guard.write("delete", func() error { return l.remove(from, to) })
}

// remove removes what there is of from..to. Raft compacts the log on one goroutine while
// another may remove all of it, to go on behind a snapshot that was installed: each has
// to find bounds that are those of the files, or the next entry would not join them.
func (l *Log) remove(from, to uint64) error {
	l.mu.Lock()
	if l.last == 0 || to < l.first || from > l.last {
		l.mu.Unlock()
		return nil
	}
	// Readers must not see bounds that promise what is gone.
	oldFirst, oldLast := l.first, l.last
	l.cache.remove(from, to)
	if from <= l.first {
		l.first = to + 1
	} else {
		l.last = from - 1
	}
	if l.first > l.last {
		l.first, l.last, l.bytes = 0, 0, 0
	} else {
		share := float64(l.last-l.first+1) / float64(oldLast-oldFirst+1)
		l.bytes = int64(float64(l.bytes) * share)
	}
	end := l.last
	l.mu.Unlock()
	if to >= oldLast {
		l.writer.reached(end)
	}
	return l.entries.DeleteRange(from, to)
}

// Writable returns nil, or why clients' writes should be refused now. It is
// cheap.
func (l *Log) Writable() error {
	if err := l.guard.failure(); err != nil {
		return err
	}
	return l.space.checkCached(l.opts.MinFree)
}

// Free returns the free bytes of the log's file system.
func (l *Log) Free() int64 { return int64(l.space.free()) }

// Close closes the files. Raft must be shut down before.
func (l *Log) Close() error {
	var err error
	l.closeOnce.Do(func() {
		l.closed.Store(true)
		if l.writer != nil {
			l.writer.close()
		}
		if l.guard != nil {
			l.guard.close()
			if l.guard.failure() == nil {
				err = l.rememberEnd()
			}
		}
		if l.entries != nil {
			err = errors.Join(err, l.entries.Close())
		}
		if l.stable != nil {
			err = errors.Join(err, l.stable.Close())
		}
	})
	return err
}
