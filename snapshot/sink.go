package snapshot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/raft"
)

// writebackEvery is after how many bytes of a snapshot the kernel is told to
// begin writing them. Left to itself it would gather them all for the fsync at
// the end, behind which the log's small ones had to wait; an fsync here would
// make them wait more often.
const writebackEvery = 1 << 20

// sink writes one snapshot. Raft uses it from one goroutine.
type sink struct {
	store   *Store
	meta    meta
	tmp     string
	file    *os.File
	verify  *verifier
	started int64 // up to where the kernel was told to write
	start   time.Time
	closed  bool
}

var _ raft.SnapshotSink = (*sink)(nil)

// Create begins a snapshot.
func (s *Store) Create(version raft.SnapshotVersion, index, term uint64, configuration raft.Configuration, configurationIndex uint64, _ raft.Transport) (raft.SnapshotSink, error) {
	if version != 1 {
		return nil, fmt.Errorf("snapshot version %d is not known", version)
	}
	id := name(term, index)
	k := &sink{
		store: s,
		meta: meta{Raft: raft.SnapshotMeta{
			Version: version, ID: id, Index: index, Term: term,
			Configuration: configuration, ConfigurationIndex: configurationIndex,
		}},
		tmp:    filepath.Join(s.dir, id+tmpSuffix),
		verify: newVerifier(),
		start:  time.Now(),
	}
	if err := os.RemoveAll(k.tmp); err != nil {
		return nil, err
	}
	if err := os.Mkdir(k.tmp, 0o755); err != nil {
		return nil, err
	}
	var err error
	k.file, err = os.Create(filepath.Join(k.tmp, stateFile))
	return k, err
}

func (k *sink) ID() string { return k.meta.Raft.ID }

// Write takes the next bytes of the snapshot, and refuses what is damaged.
func (k *sink) Write(p []byte) (int, error) {
	if k.closed {
		return 0, errClosed
	}
	if _, err := k.verify.Write(p); err != nil {
		return 0, err
	}
	n, err := k.file.Write(p)
	k.meta.Raft.Size += int64(n)
	if pending := k.meta.Raft.Size - k.started; err == nil && pending >= writebackEvery {
		err = writeBack(k.file, max(k.started-pending, 0), k.started, k.meta.Raft.Size)
		k.started = k.meta.Raft.Size
	}
	return n, err
}

// Cancel gives the snapshot up.
func (k *sink) Cancel() error {
	if k.closed {
		return nil
	}
	k.closed = true
	return errors.Join(k.file.Close(), os.RemoveAll(k.tmp))
}

// Close makes the snapshot durable and visible, if it is whole.
func (k *sink) Close() error {
	if k.closed {
		return nil
	}
	if err := k.verify.finish(); err != nil {
		return errors.Join(err, k.Cancel())
	}
	k.closed = true
	if err := k.publish(); err != nil {
		return errors.Join(err, os.RemoveAll(k.tmp))
	}
	return nil
}

func (k *sink) publish() error {
	if err := errors.Join(k.file.Sync(), k.file.Close()); err != nil {
		return err
	}
	k.meta.At, k.meta.Took = time.Now().UTC().Round(0), time.Since(k.start)
	b, err := k.meta.encode()
	if err != nil {
		return err
	}
	if err := writeSynced(filepath.Join(k.tmp, metaFile), b); err != nil {
		return err
	}
	if err := syncDir(k.tmp); err != nil {
		return err
	}
	gone, err := k.store.admit(k)
	for _, dir := range gone {
		err = errors.Join(err, remove(dir, k.store.opts.removeStep))
	}
	return err
}

// admit makes the snapshot of a sink, which is whole and on disk, the newest one. It
// returns the folders of those that it replaces.
func (s *Store) admit(k *sink) (gone []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	final := filepath.Join(s.dir, k.meta.Raft.ID)
	if _, err := os.Stat(final); err == nil {
		// The same state again. Replacing it is not atomic, and needless.
		return []string{k.tmp}, nil
	}
	if err := os.Rename(k.tmp, final); err != nil {
		return nil, err
	}
	if err := syncDir(s.dir); err != nil {
		return nil, err
	}
	if k.meta.Raft.Index >= s.newest.Index {
		s.newest = s.info(k.meta)
	}
	return s.reap()
}

func writeSynced(path string, b []byte) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
