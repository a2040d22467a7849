package snapshot

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// Store keeps raft's snapshots: a folder each, with the snapshot and what raft
// wants to know of it. A snapshot appears under its name when it is whole and on
// disk, so a crash leaves either all of it or a folder that the next start
// removes. Its methods may be called from any goroutine.
type Store struct {
	dir  string
	opts StoreOptions

	mu     sync.Mutex // not held while files are written or removed
	newest Info
	open   map[string]int // who reads a snapshot, by its id
}

var _ raft.SnapshotStore = (*Store)(nil)

// StoreOptions configure a Store.
type StoreOptions struct {
	Retain int // how many snapshots to keep; 0: 2
	// removeStep is how many bytes of a snapshot are removed at once; 0: 16 MiB.
	removeStep int64
}

// Info describes a snapshot in a store.
type Info struct {
	Index, Term uint64
	Size        int64 // bytes
	Path        string
	At          time.Time
	Took        time.Duration // from the first byte to the rename
}

const (
	stateFile = "state.snap"
	metaFile  = "meta.json"
	tmpSuffix = ".tmp"
)

// meta is the content of metaFile.
type meta struct {
	Raft raft.SnapshotMeta `json:"raft"`
	At   time.Time         `json:"at"`
	Took time.Duration     `json:"took_ns"`
	Sum  uint32            `json:"crc32c"` // of this JSON with 0 here
}

func (m meta) encode() ([]byte, error) {
	m.Sum = 0
	b, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	m.Sum = crc32.Checksum(b, castagnoli)
	return json.Marshal(m)
}

func decodeMeta(b []byte) (meta, error) {
	var m meta
	if err := json.Unmarshal(b, &m); err != nil {
		return m, damaged("%v", err)
	}
	again, err := m.encode()
	if err != nil || string(again) != string(b) {
		return m, damaged("wrong checksum")
	}
	return m, nil
}

// OpenStore opens the snapshots in dir, or makes it. It fails with ErrDamaged,
// naming the file, if the newest one is not whole: the log may be compacted up
// to it, so that an older one is no way out.
func OpenStore(dir string, opts StoreOptions) (*Store, error) {
	if opts.Retain == 0 {
		opts.Retain = 2
	}
	if opts.removeStep == 0 {
		opts.removeStep = removeStep
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	leftovers, err := filepath.Glob(filepath.Join(dir, "*"+tmpSuffix))
	if err != nil {
		return nil, err
	}
	for _, l := range leftovers {
		if err := os.RemoveAll(l); err != nil {
			return nil, err
		}
	}
	s := &Store{dir: dir, opts: opts, open: make(map[string]int)}
	names, err := s.names()
	if err != nil || len(names) == 0 {
		return s, err
	}
	m, err := s.load(names[0])
	if err != nil {
		return nil, err
	}
	s.newest = s.info(m)
	return s, nil
}

// name makes names sort by age.
func name(term, index uint64) string { return fmt.Sprintf("%016d-%016d", index, term) }

// names lists the snapshots, newest first.
func (s *Store) names() ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() && !strings.HasSuffix(e.Name(), tmpSuffix) {
			out = append(out, e.Name())
		}
	}
	slices.Sort(out)
	slices.Reverse(out)
	return out, nil
}

// load reads what is known of a snapshot and checks that its file is as long as
// it should be.
func (s *Store) load(name string) (meta, error) {
	path := filepath.Join(s.dir, name, metaFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return meta{}, fmt.Errorf("%s: %w: it is missing", path, ErrDamaged)
	}
	if err != nil {
		return meta{}, err
	}
	m, err := decodeMeta(b)
	if err != nil {
		return m, fmt.Errorf("%s: %w", path, err)
	}
	path = filepath.Join(s.dir, name, stateFile)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return m, fmt.Errorf("%s: %w: it is missing", path, ErrDamaged)
	}
	if err != nil {
		return m, err
	}
	if info.Size() != m.Raft.Size {
		return m, fmt.Errorf("%s: %w: it has %d bytes, %d were written", path, ErrDamaged, info.Size(), m.Raft.Size)
	}
	return m, nil
}

func (s *Store) info(m meta) Info {
	return Info{
		Index: m.Raft.Index, Term: m.Raft.Term, Size: m.Raft.Size,
		Path: filepath.Join(s.dir, m.Raft.ID, stateFile), At: m.At, Took: m.Took,
	}
}

// Newest returns the newest snapshot; its Index is 0 if there is none.
func (s *Store) Newest() Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newest
}

// List returns the snapshots, newest first. Damaged ones are not hidden by
// leaving them out: they end the list with an error.
func (s *Store) List() ([]*raft.SnapshotMeta, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	names, err := s.names()
	if err != nil {
		return nil, err
	}
	var out []*raft.SnapshotMeta
	for _, n := range names {
		m, err := s.load(n)
		if err != nil {
			if len(out) > 0 {
				break // an old one is of no use to raft
			}
			return nil, err
		}
		out = append(out, &m.Raft)
	}
	return out, nil
}

// Open returns a snapshot for reading, which must be closed. It may be replaced
// meanwhile, and stays whole.
func (s *Store) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	if id != filepath.Base(id) {
		return nil, nil, fmt.Errorf("snapshot id %q", id)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.load(id)
	if err != nil {
		return nil, nil, err
	}
	f, err := os.Open(filepath.Join(s.dir, id, stateFile))
	if err != nil {
		return nil, nil, err
	}
	s.open[id]++
	return &m.Raft, &reading{File: f, store: s, id: id}, nil
}

// reading is a snapshot that somebody reads.
type reading struct {
	*os.File
	store *Store
	id    string
	once  sync.Once
}

func (r *reading) Close() error {
	r.once.Do(func() {
		r.store.mu.Lock()
		defer r.store.mu.Unlock()
		if r.store.open[r.id]--; r.store.open[r.id] == 0 {
			delete(r.store.open, r.id)
		}
	})
	return r.File.Close()
}

// reap takes all but the newest snapshots off the list, and returns where those lie
// now that are to be removed: what a crash leaves of them, the next start removes. It
// must be called with mu held.
func (s *Store) reap() (gone []string, err error) {
	names, err := s.names()
	if err != nil {
		return nil, err
	}
	for _, n := range names[min(s.opts.Retain, len(names)):] {
		to := filepath.Join(s.dir, n+tmpSuffix)
		if err := os.Rename(filepath.Join(s.dir, n), to); err != nil {
			return gone, err
		}
		if s.open[n] > 0 {
			// Its bytes go when its last reader closes it.
			if err := os.RemoveAll(to); err != nil {
				return gone, err
			}
			continue
		}
		gone = append(gone, to)
	}
	return gone, nil
}

// removeStep is small, because to free 400 MiB takes ext4 150 ms, and the log's flushes
// wait for its journal, and for the disk, which is told of what is free.
const removeStep = 16 << 20

// remove removes a snapshot's folder, the state piece by piece from its end. It
// rests after each piece as long as that took.
func remove(dir string, step int64) error {
	path := filepath.Join(dir, stateFile)
	info, err := os.Stat(path)
	if err != nil {
		return os.RemoveAll(dir) // what is missing needs no pieces
	}
	for size := info.Size() - step; size > 0; size -= step {
		start := time.Now()
		if err := os.Truncate(path, size); err != nil {
			return err
		}
		time.Sleep(time.Since(start))
	}
	return os.RemoveAll(dir)
}
