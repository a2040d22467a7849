// Package source finds the files of logs and reads them: rotated, compressed,
// growing, or standard input.
package source

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Stdin is the path that stands for standard input.
const Stdin = "-"

// Stream is one log: a file with its rotated predecessors, which are read one
// after the other as if they were one.
type Stream struct {
	// Path is that of the file that is written to; a rotated one has a suffix.
	Path string
	// Node is the node whose log it is, as far as the path tells. Lines that name
	// a node are that one's.
	Node string
	// Files are the paths, oldest first.
	Files []string
}

var (
	// rotatedName splits node.jsonl.2.gz; the number counts backwards in time.
	rotatedName = regexp.MustCompile(`^(.*?)(?:\.(\d{1,6}))?(?:\.(?:gz|zst))?$`)
	// logName is what counts as a log in a folder.
	logName = regexp.MustCompile(`(?i)\.(jsonl|ndjson|log|out)(\.\d{1,6}|[.-]\d{4}-?\d\d-?\d\d[^.]*)?(\.gz|\.zst)?$`)
)

// Folders that a node keeps beside its log and that hold no logs.
var noLogs = []string{"groups", "snapshots", "wal"}

// Find lists the streams of what the user named: files, folders, or "-". In the
// folder of a cluster or of a node those are the nodes' logs; in any other, all
// files named like logs, at any depth. A file that is named twice is read once.
func Find(args []string) ([]Stream, error) {
	var paths []string
	for _, arg := range args {
		if arg == Stdin {
			paths = append(paths, arg)
			continue
		}
		info, err := os.Stat(arg)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			paths = append(paths, filepath.Clean(arg))
			continue
		}
		found, err := inFolder(arg)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("%s holds no logs: name files, or a folder with %s or *.log, *.jsonl in it", arg, nodeLog)
		}
		paths = append(paths, found...)
	}
	return group(paths), nil
}

// nodeLog is where a node's log lies in its data folder.
var nodeLog = filepath.Join("log", "node.jsonl")

// nodeLogs are that and the node's trace.
var nodeLogs = filepath.Join("log", "*.jsonl*")

// Trace is the name of the file with a node's trace, which has many more lines than
// its log: see eventlog.Tracer.
const Trace = "trace.jsonl"

func inFolder(dir string) ([]string, error) {
	for _, pattern := range []string{nodeLogs, filepath.Join("*", nodeLogs)} {
		found, err := filepath.Glob(filepath.Join(quoteGlob(dir), pattern))
		if err != nil {
			return nil, err
		}
		found = slices.DeleteFunc(found, func(path string) bool { return !logName.MatchString(path) })
		if len(found) > 0 {
			return found, nil
		}
	}
	var found []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // rotated away meanwhile
			return nil
		case err != nil:
			return err
		case d.IsDir() && path != dir && (slices.Contains(noLogs, d.Name()) || strings.HasPrefix(d.Name(), ".")):
			return filepath.SkipDir
		case d.Type().IsRegular() && logName.MatchString(d.Name()):
			found = append(found, path)
		}
		return nil
	})
	return found, err
}

// quoteGlob keeps a folder's name from being a pattern.
func quoteGlob(dir string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}

// group makes streams of files, in the order in which they were named.
func group(paths []string) []Stream {
	var streams []Stream
	at := make(map[string]int)
	for _, path := range paths {
		base, _ := splitRotated(path)
		i, known := at[base]
		if !known {
			i = len(streams)
			at[base] = i
			streams = append(streams, Stream{Path: base, Node: nodeOf(base)})
		}
		if !slices.Contains(streams[i].Files, path) {
			streams[i].Files = append(streams[i].Files, path)
		}
	}
	for i := range streams {
		slices.SortStableFunc(streams[i].Files, func(a, b string) int {
			_, ageA := splitRotated(a)
			_, ageB := splitRotated(b)
			return ageB - ageA
		})
	}
	return streams
}

// splitRotated returns the path without what rotation and compression have added
// to it, and how many rotations ago the file was written to.
func splitRotated(path string) (base string, age int) {
	if path == Stdin {
		return path, 0
	}
	dir, name := filepath.Split(path)
	parts := rotatedName.FindStringSubmatch(name)
	if parts == nil || parts[1] == "" {
		return path, 0
	}
	age, _ = strconv.Atoi(parts[2])
	return dir + parts[1], age
}

// nodeOf is the node that a path tells of: n1/log/node.jsonl is n1's, n2.log n2's.
func nodeOf(base string) string {
	if base == Stdin {
		return "stdin"
	}
	if abs, err := filepath.Abs(base); err == nil && strings.HasSuffix(base, ".jsonl") {
		if parent := filepath.Dir(abs); filepath.Base(parent) == "log" {
			return filepath.Base(filepath.Dir(parent))
		}
	}
	name := filepath.Base(base)
	if cut := strings.IndexByte(name, '.'); cut > 0 {
		name = name[:cut]
	}
	return name
}
