package raftlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
)

// Raft's keys for the vote, and ours for both in one.
const (
	keyVoteTerm      = "LastVoteTerm"
	keyVoteCandidate = "LastVoteCand"
	keyVote          = "raftkv:LastVote"
)

// boltOptions keep bbolt quick after many deletions: its free list is neither
// written with each commit nor kept in an array.
func boltOptions() *bbolt.Options {
	return &bbolt.Options{Timeout: time.Second, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType}
}

// openStable opens term, vote and raft's other keys. The file is small: all of
// it is checked.
func openStable(path string) (*raftboltdb.BoltStore, error) {
	var store *raftboltdb.BoltStore
	err := withoutPanic(path, func() error {
		if err := checkBolt(path); err != nil {
			return err
		}
		var err error
		store, err = raftboltdb.New(raftboltdb.Options{Path: path, BoltOptions: boltOptions()})
		return err
	})
	return store, err
}

// withoutPanic turns bbolt's panics on damaged files, and the faults of a mapped
// file that is too short, into ErrDamaged.
func withoutPanic(path string, fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: %w: %v", path, ErrDamaged, r)
		}
	}()
	return openError(path, fn())
}

// SetUint64 writes a number. The term of a vote waits for its candidate: raft
// writes them one after the other, and a crash between the two could leave a
// vote of a new term for the candidate of an old one (hashicorp/raft issue 661).
func (l *Log) SetUint64(key []byte, n uint64) error {
	if string(key) == keyVoteTerm {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.voteTerm = n
		return l.guard.failure()
	}
	return l.guard.write("stable", func() error { return l.stable.SetUint64(key, n) })
}

// Set writes a value; with a vote's candidate goes its term.
func (l *Log) Set(key, value []byte) error {
	if string(key) == keyVoteCandidate {
		l.mu.RLock()
		vote := binary.BigEndian.AppendUint64(nil, l.voteTerm)
		l.mu.RUnlock()
		key, value = []byte(keyVote), append(vote, value...)
	}
	return l.guard.write("stable", func() error { return l.stable.Set(key, value) })
}

// GetUint64 reads a number; raft knows the error of a key that is missing.
func (l *Log) GetUint64(key []byte) (uint64, error) {
	if string(key) == keyVoteTerm {
		if l.opts.Broken&OneVote != 0 {
			return 0, nil
		}
		term, _, err := l.vote()
		return term, err
	}
	return l.stable.GetUint64(key)
}

// Get reads a value.
func (l *Log) Get(key []byte) ([]byte, error) {
	if string(key) == keyVoteCandidate {
		_, candidate, err := l.vote()
		return candidate, err
	}
	return l.stable.Get(key)
}

func (l *Log) vote() (term uint64, candidate []byte, err error) {
	vote, err := l.stable.Get([]byte(keyVote))
	if err != nil {
		return 0, nil, err
	}
	if len(vote) < 8 {
		return 0, nil, fmt.Errorf("raft.db: %w: the vote has %d bytes", ErrDamaged, len(vote))
	}
	return binary.BigEndian.Uint64(vote), vote[8:], nil
}

// keyEnd is where the log ended when it was closed.
var keyEnd = []byte("raftkv:End")

// rememberEnd lets the next start notice that the end of the log got lost while
// nobody had it open. It cannot tell a damaged last write from one that a crash
// has torn, so after a crash there is no such record.
func (l *Log) rememberEnd() error {
	_, last := l.Bounds()
	return l.stable.SetUint64(keyEnd, last)
}

// takeEnd returns what rememberEnd wrote, 0 if the log was not closed, and
// forgets it.
func (l *Log) takeEnd() (uint64, error) {
	end, err := l.stable.GetUint64(keyEnd)
	if errors.Is(err, raftboltdb.ErrKeyNotFound) || err == nil && end == 0 {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return end, l.stable.SetUint64(keyEnd, 0)
}
