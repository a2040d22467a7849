package simulation

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"github.com/hashicorp/raft"

	"raftkv/kv/group"
	"raftkv/snapshot"
)

// stored is a snapshot on a disk.
type stored struct {
	meta raft.SnapshotMeta
	data []byte
	at   time.Time
}

// snapshots is a group's folder of snapshots. One is there when its sink was
// closed and synced, and not at all before.
type snapshots struct{ *folder }

var _ group.SnapshotStore = snapshots{}

func (s snapshots) Create(version raft.SnapshotVersion, index, term uint64, configuration raft.Configuration, configurationIndex uint64, _ raft.Transport) (raft.SnapshotSink, error) {
	return &sink{store: s, meta: raft.SnapshotMeta{
		Version: version, ID: fmt.Sprintf("%d-%d", term, index), Index: index, Term: term,
		Configuration: configuration, ConfigurationIndex: configurationIndex,
	}}, nil
}

// List returns the snapshots, newest first.
func (s snapshots) List() (out []*raft.SnapshotMeta, _ error) {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	for _, x := range s.volume.snapshots {
		meta := x.meta
		out = append(out, &meta)
	}
	return out, nil
}

func (s snapshots) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	for _, x := range s.volume.snapshots {
		if x.meta.ID == id {
			return &x.meta, io.NopCloser(bytes.NewReader(x.data)), nil
		}
	}
	return nil, nil, fmt.Errorf("there is no snapshot %s", id)
}

// Newest returns the newest snapshot.
func (s snapshots) Newest() snapshot.Info {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	if len(s.volume.snapshots) == 0 {
		return snapshot.Info{}
	}
	x := s.volume.snapshots[0]
	return snapshot.Info{Index: x.meta.Index, Term: x.meta.Term, Size: x.meta.Size, Path: x.meta.ID, At: x.at}
}

// sink takes one snapshot.
type sink struct {
	store  snapshots
	meta   raft.SnapshotMeta
	data   bytes.Buffer
	closed bool
}

func (k *sink) ID() string                  { return k.meta.ID }
func (k *sink) Write(p []byte) (int, error) { return k.data.Write(p) }

func (k *sink) Cancel() error {
	k.closed = true
	return nil
}

// Close syncs the snapshot.
func (k *sink) Close() error {
	if k.closed {
		return nil
	}
	k.closed = true
	d, v := k.store.disk, k.store.volume
	time.Sleep(d.image)
	if err := d.sync(k.store.dead); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if k.store.gone() {
		return errCrashed
	}
	k.meta.Size = int64(k.data.Len())
	if len(v.snapshots) > 0 && v.snapshots[0].meta.Index >= k.meta.Index {
		return nil // the same state again, or an older one
	}
	if k.meta.Index > v.now.last() {
		d.seen.installed.Add(1)
	} else {
		d.seen.snapshots.Add(1)
	}
	v.snapshots = append([]stored{{meta: k.meta, data: k.data.Bytes(), at: time.Now()}}, v.snapshots...)
	v.snapshots = v.snapshots[:min(2, len(v.snapshots))]
	return nil
}
