package raftlog

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/hashicorp/raft"
	berrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"
)

// openError names the file and tells damage from trouble with the machine.
func openError(path string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrDamaged):
		return fmt.Errorf("%s: %w", path, err)
	case errors.Is(err, berrors.ErrTimeout):
		return fmt.Errorf("%s is in use by another process: %w", path, err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EMFILE),
		errors.Is(err, unix.ENFILE), errors.Is(err, unix.ENOMEM), errors.Is(err, unix.EROFS):
		return fmt.Errorf("%s: %w", path, err)
	}
	return fmt.Errorf("%s: %w: %w", path, ErrDamaged, err)
}

// Check reads the whole log and fails with ErrDamaged or ErrHole, naming the
// file, unless all of it is intact and joins the newest snapshot, which ends at
// index snapshot (0: there is none). It must be called before raft gets the log:
// raft panics on entries that it cannot read, or goes on without them. A log
// that the snapshot covers to the end is removed, because the next entry would
// leave a gap behind it.
func (l *Log) Check(snapshot uint64) error {
	path := l.entries.Path()
	first, err := l.entries.FirstIndex()
	if err != nil {
		return openError(path, err)
	}
	last, err := l.entries.LastIndex()
	if err != nil {
		return openError(path, err)
	}
	end, err := l.takeEnd()
	if err != nil {
		return openError(path, err)
	}
	if last < end && last != 0 || last == 0 && end > snapshot {
		return fmt.Errorf("%s: %w: the log ends at entry %d, and had %d when it was closed", path, ErrDamaged, last, end)
	}
	if last != 0 && first > snapshot+1 {
		return fmt.Errorf("%s: %w: the log begins at entry %d and the newest snapshot ends at %d", path, ErrHole, first, snapshot)
	}
	if last != 0 && last < snapshot {
		if err := l.entries.DeleteRange(first, last); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		first, last = 0, 0
	}
	size := int64(0)
	var proof prover
	err = withoutPanic(path, func() error {
		var err error
		size, err = l.readAll(first, last, &proof)
		return err
	})
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.first, l.last, l.bytes, l.committed = first, last, size, proof.committed()
	l.writer.reached(last)
	return nil
}

// reader is an EntryStore that reads entries one after the other more cheaply than
// GetLog does, which has to give each away.
type reader interface {
	// each calls fn for the entries from..to, which lie in the log. An entry is fn's
	// until it returns.
	each(from, to uint64, fn func(*raft.Log) error) error
}

var _ reader = (*walStore)(nil)

// readAll verifies every entry, and shows it to proof.
func (l *Log) readAll(first, last uint64, proof *prover) (size int64, err error) {
	if last == 0 {
		return 0, nil
	}
	index, term := first, uint64(0)
	verify := func(log *raft.Log) error {
		if log.Index != index || log.Term < term {
			return fmt.Errorf("entry %d: %w: it says index %d and term %d, after term %d", index, ErrDamaged, log.Index, log.Term, term)
		}
		index, term = index+1, log.Term
		size += int64(encodedSize(log))
		proof.see(log)
		return nil
	}
	if store, ok := l.entries.(reader); ok {
		err = store.each(first, last, verify)
		return size, err
	}
	err = l.readAndKeep(first, last, verify)
	return size, err
}

// readAndKeep reads entries, and keeps the newest for raft, which reads them next.
func (l *Log) readAndKeep(first, last uint64, verify func(*raft.Log) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cache.limit = startBytes
	for index := first; index <= last; index++ {
		log := new(raft.Log)
		if err := l.entries.GetLog(index, log); err != nil {
			return fmt.Errorf("entry %d: %w", index, err)
		}
		if err := verify(log); err != nil {
			return err
		}
		l.cache.add([]*raft.Log{log})
	}
	return nil
}
