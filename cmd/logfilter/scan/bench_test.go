package scan

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"raftkv/cmd/logfilter/event"
	"raftkv/cmd/logfilter/filter"
	"raftkv/cmd/logfilter/merge"
	"raftkv/cmd/logfilter/source"
)

// BenchmarkScan searches logs of three nodes with the page cache's speed.
func BenchmarkScan(b *testing.B) {
	dir := b.TempDir()
	size := int64(0)
	for i := range 3 {
		var lines []string
		node := fmt.Sprint("n", i+1)
		for n := range 100_000 {
			lines = append(lines, line(node, n, n))
			size += int64(len(lines[n]) + 1)
		}
		write(b, filepath.Join(dir, node, "log", "node.jsonl"), lines)
	}
	streams, err := source.Find([]string{dir})
	if err != nil {
		b.Fatal(err)
	}
	literal, err := filter.Grep("nothing of this", false)
	if err != nil {
		b.Fatal(err)
	}
	for name, conds := range map[string][]filter.Cond{
		"group":   {filter.Numbers("group", []filter.Range{{Lo: 9, Hi: 9}}, filter.Group)},
		"level":   {filter.AtLeast(event.Error)},
		"literal": {literal},
		"all":     nil,
	} {
		b.Run(name, func(b *testing.B) {
			f := everything()
			f.Conds = conds
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				s := Start(context.Background(), streams, Options{Filter: f})
				merge.Merge(s.Logs(), func(*event.Event) bool { return true })
				s.Close()
			}
		})
	}
}
