package scan

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"raftkv/cmd/logfilter/event"
	"raftkv/cmd/logfilter/filter"
	"raftkv/cmd/logfilter/merge"
	"raftkv/cmd/logfilter/source"
)

func everything() *filter.Filter {
	return &filter.Filter{Since: math.MinInt64, Until: math.MaxInt64}
}

var epoch = time.Date(2024, 5, 6, 7, 0, 0, 0, time.UTC)

// line is one of raftkv's, at a time in milliseconds.
func line(node string, ms, n int) string {
	return fmt.Sprintf(`{"t":%q,"level":"info","node":%q,"topic":"commit","group":%d,"index":%d,"msg":"m"}`,
		epoch.Add(time.Duration(ms)*time.Millisecond).Format("2006-01-02T15:04:05.000000000Z"), node, n%5, n)
}

func write(t interface{ Fatal(...any) }, path string, lines []string) {
	b := []byte(strings.Join(lines, "\n") + "\n")
	var out bytes.Buffer
	switch filepath.Ext(path) {
	case ".gz":
		z := gzip.NewWriter(&out)
		z.Write(b)
		z.Close()
	case ".zst":
		z, err := zstd.NewWriter(&out)
		if err != nil {
			t.Fatal(err)
		}
		z.Write(b)
		z.Close()
	default:
		out.Write(b)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// collect returns the lines of all logs, merged.
func collect(t interface{ Fatal(...any) }, dir string, o Options) []*event.Event {
	streams, err := source.Find([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	s := Start(context.Background(), streams, o)
	defer s.Close()
	var events []*event.Event
	merge.Merge(s.Logs(), func(e *event.Event) bool {
		events = append(events, e)
		return true
	})
	for _, l := range s.Logs() {
		if l.Err() != nil {
			t.Fatal(l.Err())
		}
	}
	return events
}

// TestEveryLineOnce: whatever the files, rotated and compressed, with lines that
// fit nothing and clocks that jump, each line comes once, and those of a node in
// their order; lines without a time follow the line before.
func TestEveryLineOnce(t *testing.T) {
	base := t.TempDir()
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		dir := filepath.Join(base, fmt.Sprint(run))
		want := make(map[string][]string)
		for i := range rapid.IntRange(1, 3).Draw(t, "nodes") {
			node := fmt.Sprint("n", i+1)
			at := 0
			files := rapid.IntRange(1, 3).Draw(t, "files")
			for age := files - 1; age >= 0; age-- {
				var lines []string
				for n := range rapid.IntRange(1, 30).Draw(t, "lines") {
					at += rapid.IntRange(-3, 20).Draw(t, "step")
					if rapid.IntRange(0, 4).Draw(t, "kind") == 0 {
						lines = append(lines, fmt.Sprintf("goroutine %d of file %d", n, age))
					} else {
						lines = append(lines, line(node, at, n))
					}
				}
				want[node] = append(want[node], lines...)
				path := filepath.Join(dir, node, "log", "node.jsonl")
				if age > 0 {
					path += fmt.Sprint(".", age) + rapid.SampledFrom([]string{"", ".gz", ".zst"}).Draw(t, "packed")
				}
				write(t, path, lines)
			}
		}
		got := make(map[string][]string)
		last := make(map[string]int64)
		for _, e := range collect(t, dir, Options{Filter: everything()}) {
			got[e.Node] = append(got[e.Node], string(e.Raw))
			if !e.HasTime && e.Time != last[e.Node] {
				t.Fatalf("%s is at %d, the line before it at %d", e.Raw, e.Time, last[e.Node])
			}
			last[e.Node] = e.Time
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("got  %q\nwant %q", got, want)
		}
	})
}

// TestManyChunks has logs of many chunks, and text at the seams.
func TestManyChunks(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for i := range 3 {
		node := fmt.Sprint("n", i+1)
		var lines []string
		for n := range 8_000 {
			lines = append(lines, line(node, n, n))
			if n%7 == 0 {
				lines = append(lines, fmt.Sprintf("text after %d of %s", n, node))
			}
		}
		write(t, filepath.Join(dir, node, "log", "node.jsonl"), lines)
		want = append(want, lines...)
	}
	var got []string
	lastTime := int64(0)
	for _, e := range collect(t, dir, Options{Filter: everything()}) {
		got = append(got, string(e.Raw))
		if e.Time < lastTime {
			t.Fatalf("%s comes after a later line", e.Raw)
		}
		lastTime = e.Time
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d lines, want %d", len(got), len(want))
	}
}

// TestSinceSeeks: a part of a long log is what reading all of it would find, and
// only that part is read.
func TestSinceSeeks(t *testing.T) {
	dir := t.TempDir()
	var lines []string
	for n := range 30_000 {
		lines = append(lines, line("n1", 10*n, n))
	}
	path := filepath.Join(dir, "n1.jsonl")
	write(t, path, lines)
	f := everything()
	f.Since = epoch.Add(200_000 * time.Millisecond).UnixNano()
	f.Until = epoch.Add(204_999 * time.Millisecond).UnixNano()
	events := collect(t, dir, Options{Filter: f})
	if len(events) != 500 || events[0].Index.Value != 20_000 {
		t.Fatalf("%d events", len(events))
	}
	file, err := source.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	sample, err := file.Sample()
	if err != nil {
		t.Fatal(err)
	}
	lns := f.For(detect(sample), "n1", sample)
	from, to, err := file.Span(f.Since, f.Until, lns.Time)
	info, _ := os.Stat(path)
	if err != nil || to-from > info.Size()/5 || from == 0 {
		t.Errorf("reads %d..%d of %d, %v", from, to, info.Size(), err)
	}
	// With a clock that is 60 s off, other lines are meant.
	f.Skew = map[string]int64{"n1": -60e9}
	f.Since -= 60e9
	f.Until -= 60e9
	if again := collect(t, dir, Options{Filter: f}); len(again) != 500 || again[0].Index.Value != 20_000 {
		t.Errorf("%d events after correcting the clock", len(again))
	}
}

// TestUnsortedIsReadWhole: a log of several runs, one after the other with clocks
// set back, has lines of a time anywhere.
func TestUnsortedIsReadWhole(t *testing.T) {
	dir := t.TempDir()
	var lines []string
	for range 4 {
		for n := range 5_000 {
			lines = append(lines, line("n1", n*40, n))
		}
	}
	write(t, filepath.Join(dir, "n1.jsonl"), lines)
	f := everything()
	f.Since = epoch.Add(199_600 * time.Millisecond).UnixNano()
	if events := collect(t, dir, Options{Filter: f}); len(events) != 4*10 {
		t.Errorf("%d events, want 40", len(events))
	}
}

func TestDamagedFileIsReported(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "n1.log.gz"), slices.Repeat([]string{line("n1", 1, 1)}, 1000))
	path := filepath.Join(dir, "n1.log.gz")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b[:len(b)/2], 0o644); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "n2.log"), []string{line("n2", 2, 2)})
	streams, err := source.Find([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	s := Start(context.Background(), streams, Options{Filter: everything()})
	defer s.Close()
	n2 := 0
	merge.Merge(s.Logs(), func(e *event.Event) bool {
		if e.Node == "n2" {
			n2++
		}
		return true
	})
	if err := s.Logs()[0].Err(); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("the damaged file: %v", err)
	}
	if n2 != 1 || s.Logs()[1].Err() != nil {
		t.Errorf("the other log: %d events, %v", n2, s.Logs()[1].Err())
	}
}

// TestCloseEarly ends a search whose events nobody takes.
func TestCloseEarly(t *testing.T) {
	dir := t.TempDir()
	var lines []string
	for n := range 20_000 {
		lines = append(lines, line("n1", n, n))
	}
	write(t, filepath.Join(dir, "n1.log"), lines)
	streams, err := source.Find([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	s := Start(context.Background(), streams, Options{Filter: everything()})
	if s.Logs()[0].Next() == nil {
		t.Error("no event")
	}
	s.Close()
}
