package raftlog

import (
	"fmt"
	"os"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
)

// boltStore keeps entries in raft-boltdb. Each is wrapped into our own format,
// for its checksum.
type boltStore struct {
	store *raftboltdb.BoltStore
	file  string
}

func openBolt(path string) (*boltStore, error) {
	s := &boltStore{file: path}
	err := withoutPanic(path, func() error {
		var err error
		s.store, err = raftboltdb.New(raftboltdb.Options{Path: path, BoltOptions: boltOptions()})
		return err
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (s *boltStore) path() string                      { return s.file }
func (s *boltStore) Close() error                      { return s.store.Close() }
func (s *boltStore) FirstIndex() (uint64, error)       { return s.store.FirstIndex() }
func (s *boltStore) LastIndex() (uint64, error)        { return s.store.LastIndex() }
func (s *boltStore) DeleteRange(min, max uint64) error { return s.store.DeleteRange(min, max) }
func (s *boltStore) StoreLog(log *raft.Log) error      { return s.StoreLogs([]*raft.Log{log}) }

func (s *boltStore) StoreLogs(logs []*raft.Log) error {
	return s.store.StoreLogs(wrap(logs))
}

func (s *boltStore) GetLog(index uint64, log *raft.Log) error {
	var wrapped raft.Log
	if err := s.store.GetLog(index, &wrapped); err != nil {
		return err
	}
	_, err := decodeEntry(wrapped.Data, log)
	return err
}

// checkBolt walks through a small bbolt file, if it is there, and looks whether
// its pages fit together.
func checkBolt(path string) error {
	if _, err := os.Stat(path); err != nil {
		return nil // it will be made
	}
	options := boltOptions()
	options.ReadOnly = true
	db, err := bbolt.Open(path, 0o600, options)
	if err != nil {
		return err
	}
	defer db.Close()
	return db.View(func(tx *bbolt.Tx) error {
		var first error
		for err := range tx.Check() { // to its end: it holds a goroutine
			if first == nil {
				first = fmt.Errorf("%w: %v", ErrDamaged, err)
			}
		}
		return first
	})
}
