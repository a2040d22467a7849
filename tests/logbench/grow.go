package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const layout = "2006-01-02T15:04:05.000000000Z"

// timed is a line behind its time.
type timed struct {
	at   time.Time
	rest []byte
}

// grow writes the logs of the cluster in seed again and again into the same
// places in dir, each time after the time before, until they have total bytes.
// It does nothing if they have already.
func grow(seed, dir string, total int64) error {
	paths, err := filepath.Glob(filepath.Join(seed, "*", "log", "node.jsonl"))
	if err != nil || len(paths) == 0 {
		return fmt.Errorf("%s has no logs: %w", seed, err)
	}
	logs := make([][]timed, len(paths))
	var first, last time.Time
	size, has := int64(0), int64(0)
	for i, path := range paths {
		if logs[i], err = read(path); err != nil {
			return err
		}
		for _, l := range logs[i] {
			if first.IsZero() || l.at.Before(first) {
				first = l.at
			}
			if l.at.After(last) {
				last = l.at
			}
			size += int64(len(prefix) + len(layout) + len(l.rest) + 1)
		}
		if info, err := os.Stat(target(seed, dir, path)); err == nil {
			has += info.Size()
		}
	}
	if has >= total && has < total+2*size {
		return nil
	}
	period := last.Sub(first) + time.Second
	note("write %d MB: the %d KB of %v, %d times", total>>20, size>>10, last.Sub(first).Round(time.Second), total/size+1)
	for i, path := range paths {
		if err := repeat(target(seed, dir, path), logs[i], int(total/size+1), period); err != nil {
			return err
		}
	}
	return nil
}

func target(seed, dir, path string) string {
	rel, err := filepath.Rel(seed, path)
	if err != nil {
		rel = filepath.Base(path)
	}
	return filepath.Join(dir, rel)
}

// prefix is how raftkv's lines begin; the time follows.
const prefix = `{"t":"`

func read(path string) ([]timed, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var lines []timed
	for line := range bytes.Lines(b) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		if len(line) < len(prefix)+len(layout) || !bytes.HasPrefix(line, []byte(prefix)) {
			continue // torn by a kill
		}
		at, err := time.Parse(layout, string(line[len(prefix):len(prefix)+len(layout)]))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		lines = append(lines, timed{at, line[len(prefix)+len(layout):]})
	}
	return lines, nil
}

func repeat(path string, lines []timed, times int, period time.Duration) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	var b []byte
	for n := range times {
		for _, l := range lines {
			b = append(b[:0], prefix...)
			b = l.at.Add(time.Duration(n)*period).AppendFormat(b, layout)
			b = append(b, l.rest...)
			b = append(b, '\n')
			if _, err := w.Write(b); err != nil {
				return err
			}
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}
