package eventlog

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"
)

// benchLine logs a line like those of the write path.
func benchLine(log *slog.Logger) {
	log.LogAttrs(context.Background(), slog.LevelInfo, "entry applied",
		slog.String(KeyTopic, TopicCommit), slog.Uint64(KeyTerm, 7), slog.Uint64(KeyIndex, 123456),
		slog.Int("commands", 50), slog.Duration("took", 1234*time.Microsecond), slog.String("key", "user:1000"))
}

// BenchmarkLog is what a call costs its caller; dropped/op shows how much of it
// the writer could not keep up with.
func BenchmarkLog(b *testing.B) {
	for name, out := range map[string]func(b *testing.B) *Log{
		"file": func(b *testing.B) *Log {
			l, err := Open(Options{Path: b.TempDir() + "/log", Node: "n1"})
			if err != nil {
				b.Fatal(err)
			}
			return l
		},
		"discard": func(*testing.B) *Log {
			return start(Options{Node: "n1", Level: slog.LevelInfo, Queue: defaultQueue}, io.Discard, nil)
		},
	} {
		b.Run(name, func(b *testing.B) {
			l := out(b)
			log := l.Logger().With(KeyGroup, 1)
			b.ReportAllocs()
			for b.Loop() {
				benchLine(log)
			}
			b.StopTimer()
			if err := l.Close(); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(l.Dropped())/float64(b.N), "dropped/op")
		})
	}
}

// BenchmarkLogParallel has as many callers as processors.
func BenchmarkLogParallel(b *testing.B) {
	l := start(Options{Node: "n1", Level: slog.LevelInfo, Queue: defaultQueue}, io.Discard, nil)
	defer l.Close()
	log := l.Logger().With(KeyGroup, 1)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			benchLine(log)
		}
	})
}

// BenchmarkDisabled is a debug line while the level is info.
func BenchmarkDisabled(b *testing.B) {
	l := start(Options{Node: "n1", Level: slog.LevelInfo, Queue: 8}, io.Discard, nil)
	defer l.Close()
	log := l.Logger()
	b.ReportAllocs()
	for b.Loop() {
		log.LogAttrs(context.Background(), slog.LevelDebug, "m", slog.Int("i", 1))
	}
}

// BenchmarkSlogJSON is the standard library's handler, to compare with: it
// writes in the caller.
func BenchmarkSlogJSON(b *testing.B) {
	log := slog.New(slog.NewJSONHandler(io.Discard, nil)).With(KeyGroup, 1)
	b.ReportAllocs()
	for b.Loop() {
		benchLine(log)
	}
}

func BenchmarkParse(b *testing.B) {
	line := []byte(`{"t":"2024-05-06T07:08:09.000000010Z","level":"info","node":"n1","topic":"commit","group":1,"term":7,"index":123456,"msg":"entry applied","commands":50,"took":"1.234ms","key":"user:1000"}`)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(line); err != nil {
			b.Fatal(err)
		}
	}
}
