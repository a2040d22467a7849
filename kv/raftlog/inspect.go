package raftlog

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
)

// inspectTries is how often the file of a running node is copied before giving
// up: a copy made while bbolt writes may not fit together.
const inspectTries = 5

// Inspect calls fn for the entries at path in order, without disturbing a node
// that has them open. path is a group's folder, its wal folder, a segment file
// (.wal) or a boltdb file. Entries that were replaced or compacted in a segment
// may be shown still; of those with the same index the newest wins. The log may
// be retained by fn.
func Inspect(path string, fn func(*raft.Log) error) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return inspectDir(path, fn)
	}
	if strings.HasSuffix(path, ".wal") {
		return inspectSegments([]string{path}, fn)
	}
	return inspectBolt(path, fn)
}

func inspectDir(dir string, fn func(*raft.Log) error) error {
	for _, name := range []string{filepath.Join(dir, "wal"), dir} {
		if files, _ := filepath.Glob(filepath.Join(name, "*.wal")); len(files) > 0 {
			return inspectSegments(files, fn)
		}
	}
	if file := filepath.Join(dir, "log.db"); exists(file) {
		return inspectBolt(file, fn)
	}
	return fmt.Errorf("%s holds no raft log: give the folder of a group (DIR/groups/1), a segment (.wal) or log.db", dir)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// inspectSegments merges segments. A later file has the newer entries.
func inspectSegments(files []string, fn func(*raft.Log) error) error {
	slices.Sort(files) // names are base index and id, both of fixed width
	var logs []*raft.Log
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		err = eachSegmentEntry(f, func(log *raft.Log) error {
			for len(logs) > 0 && logs[len(logs)-1].Index >= log.Index {
				logs = logs[:len(logs)-1]
			}
			logs = append(logs, log)
			return nil
		})
		f.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	for _, log := range logs {
		if err := fn(log); err != nil {
			return err
		}
	}
	return nil
}

func inspectBolt(path string, fn func(*raft.Log) error) error {
	var err error
	for range inspectTries {
		var logs []*raft.Log
		if logs, err = copyAndRead(path); err != nil {
			continue
		}
		for _, log := range logs {
			if err := fn(log); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("%s: %w", path, err)
}

func copyAndRead(path string) (logs []*raft.Log, err error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	tmp, err := os.CreateTemp("", "raftkv-inspect-*.db")
	if err != nil {
		return nil, err
	}
	defer os.Remove(tmp.Name())
	_, err = io.Copy(tmp, in)
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, err
	}
	err = withoutPanic(path, func() error {
		options := boltOptions()
		options.ReadOnly = true
		store, err := raftboltdb.New(raftboltdb.Options{Path: tmp.Name(), BoltOptions: options})
		if err != nil {
			return err
		}
		defer store.Close()
		first, err := store.FirstIndex()
		if err != nil || first == 0 {
			return err
		}
		last, err := store.LastIndex()
		if err != nil {
			return err
		}
		bolt := &boltStore{store: store}
		for index := first; index <= last; index++ {
			log := new(raft.Log)
			if err := bolt.GetLog(index, log); err != nil {
				return fmt.Errorf("entry %d: %w", index, err)
			}
			logs = append(logs, log)
		}
		return nil
	})
	return logs, err
}
