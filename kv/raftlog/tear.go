package raftlog

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"
)

// tear writes the whole append and then zeroes its end, as when the blocks of a file
// that was made longer before have not all arrived.
func (s *walStore) tear(logs []*raft.Log, share float64) error {
	if share <= 0 {
		return nil
	}
	before, err := s.ends()
	if err != nil {
		return err
	}
	if err := s.StoreLogs(logs); err != nil {
		return err
	}
	after, err := s.ends()
	if err != nil {
		return err
	}
	for path, end := range after {
		from := max(before[path], fileHeader)
		keep := from + int(share*float64(end-from))
		if end > from {
			err = errors.Join(err, zero(path, keep, end))
		}
	}
	return err
}

// ends returns where the last append ends in each segment.
func (s *walStore) ends() (map[string]int, error) {
	files, err := s.files()
	if err != nil {
		return nil, err
	}
	out := make(map[string]int)
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		out[path], _ = scanFrames(b, 0)
	}
	return out, nil
}

func (s *walStore) files() ([]string, error) { return filepath.Glob(filepath.Join(s.dir, "*.wal")) }

func zero(path string, from, to int) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(make([]byte, to-from), int64(from))
	return errors.Join(err, f.Sync(), f.Close())
}

// tear writes nothing: in bbolt nothing refers to what was written before the last
// page of a commit.
func (s *boltStore) tear([]*raft.Log, float64) error { return nil }

func (s *boltStore) files() ([]string, error) { return []string{s.file}, nil }
