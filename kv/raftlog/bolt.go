package raftlog

import (
	"os"
	"runtime"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
)

// boltStore keeps entries in raft-boltdb. Each is wrapped into our own format,
// for its checksum.
type boltStore struct {
	store   *raftboltdb.BoltStore
	file    string
	flushed func(took time.Duration) // told of each append; may be nil
}

func openBolt(path string, flushed func(took time.Duration)) (*boltStore, error) {
	s := &boltStore{file: path, flushed: flushed}
	err := withoutPanic(path, func() error {
		if err := checkBolt(path); err != nil {
			return err
		}
		var err error
		s.store, err = raftboltdb.New(raftboltdb.Options{Path: path, BoltOptions: boltOptions()})
		return err
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (s *boltStore) Path() string                      { return s.file }
func (s *boltStore) Close() error                      { return s.store.Close() }
func (s *boltStore) FirstIndex() (uint64, error)       { return s.store.FirstIndex() }
func (s *boltStore) LastIndex() (uint64, error)        { return s.store.LastIndex() }
func (s *boltStore) DeleteRange(min, max uint64) error { return s.store.DeleteRange(min, max) }
func (s *boltStore) StoreLog(log *raft.Log) error      { return s.StoreLogs([]*raft.Log{log}) }

// StoreLogs appends entries in one transaction. One write is under way at a time (guard),
// so what bbolt has spent on its file meanwhile was for this one.
func (s *boltStore) StoreLogs(logs []*raft.Log) error {
	before := s.writeTime()
	if err := s.store.StoreLogs(wrap(logs)); err != nil {
		return err
	}
	if s.flushed != nil {
		s.flushed(s.writeTime() - before)
	}
	return nil
}

func (s *boltStore) writeTime() time.Duration {
	stats := s.store.Stats()
	return stats.TxStats.GetWriteTime()
}

func (s *boltStore) GetLog(index uint64, log *raft.Log) error {
	var wrapped raft.Log
	if err := s.store.GetLog(index, &wrapped); err != nil {
		return err
	}
	_, err := decodeEntry(wrapped.Data, log)
	return err
}

// checkBolt reads all of a bbolt file, if it is there. It must be called within
// withoutPanic, before the file is opened for writing: then bbolt reads it in a
// goroutine of its own, whose panic at a damaged page nobody can recover.
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
		return tx.ForEach(func(_ []byte, b *bbolt.Bucket) error { return readBucket(b) })
	})
}

// readBucket touches every page of a bucket.
func readBucket(b *bbolt.Bucket) error {
	touched := byte(0)
	err := b.ForEach(func(k, v []byte) error {
		if v == nil {
			return readBucket(b.Bucket(k))
		}
		for i := len(v) - 1; i >= 0; i -= 4096 {
			touched ^= v[i]
		}
		return nil
	})
	runtime.KeepAlive(touched)
	return err
}
