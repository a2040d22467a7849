package eventlog

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// stuckWriter blocks in Write until it is released.
type stuckWriter struct {
	bytes.Buffer
	release chan struct{}
}

func (w *stuckWriter) Write(p []byte) (int, error) {
	<-w.release
	return w.Buffer.Write(p)
}

func TestStuckWriterNeverBlocksTheCaller(t *testing.T) {
	// In a bubble a caller that blocked would be reported as a deadlock.
	synctest.Test(t, func(t *testing.T) {
		out := &stuckWriter{release: make(chan struct{})}
		l := start(Options{Node: "n1", Level: slog.LevelInfo, Queue: 8}, out, nil)
		log := l.Logger()
		log.Info("first")
		synctest.Wait() // the goroutine took it and is stuck
		began := time.Now()
		for i := range 20 {
			log.Info("more", "i", i)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("callers waited %v", took)
		}
		if got := l.Dropped(); got != 12 {
			t.Errorf("dropped %d, want 20 - 8", got)
		}
		close(out.release)
		synctest.Wait() // no later line and no Close are needed for the report
		var msgs []string
		for line := range strings.Lines(out.String()) {
			ev := mustParse(t, line)
			msgs = append(msgs, ev.Msg)
			if ev.Msg == "log lines were dropped" {
				if ev.Topic != TopicLog || ev.Level != slog.LevelWarn || ev.Attrs["dropped"] != int64(12) {
					t.Errorf("report: %s", line)
				}
			}
		}
		want := "first|log lines were dropped" + strings.Repeat("|more", 8)
		if got := strings.Join(msgs, "|"); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestDropThatMissesTheLastBatchIsTold is a put that found the queue full and
// counts its line only after the goroutine has written all and rests.
func TestDropThatMissesTheLastBatchIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := inMemory(&out)
		synctest.Wait()
		l.file.drop(newLine())
		synctest.Wait()
		if ev := mustParse(t, out.String()); ev.Attrs["dropped"] != int64(1) {
			t.Errorf("report: %s", out.String())
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestStuckCopyCostsNoLineOfTheFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var file bytes.Buffer
		people := &stuckWriter{release: make(chan struct{})}
		l := start(Options{Node: "n1", Level: slog.LevelInfo, Queue: 8, Also: people}, &file, nil)
		l.Logger().Info("line")
		for range 29 {
			synctest.Wait() // the file's queue is empty again
			l.Logger().Info("line")
		}
		synctest.Wait()
		if got := strings.Count(file.String(), "\n"); got != 30 || l.Dropped() != 0 {
			t.Errorf("file has %d lines, %d dropped", got, l.Dropped())
		}
		began := time.Now()
		err := l.Close()
		if err == nil || time.Since(began) != closeTimeout {
			t.Errorf("Close with a stuck copy: %v after %v", err, time.Since(began))
		}
		close(people.release)
		synctest.Wait()
		if got := people.String(); !strings.Contains(got, "log lines were dropped dropped=21") {
			t.Errorf("the copy does not tell of its loss:\n%s", got)
		}
	})
}

func TestCloseGivesUpOnAHungDisk(t *testing.T) {
	for _, hangs := range []string{"write", "sync"} {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			var out io.Writer = &stuckWriter{release: release}
			finish := func() error { return nil }
			if hangs == "sync" {
				out = io.Discard
				finish = func() error { <-release; return nil }
			}
			l := start(Options{Node: "n1", Level: slog.LevelInfo, Queue: 8}, out, finish)
			l.Logger().Info("line")
			began := time.Now()
			err := l.Close()
			if err == nil || time.Since(began) != closeTimeout {
				t.Errorf("%s hangs: Close returned %v after %v", hangs, err, time.Since(began))
			}
			if again := l.Close(); again != err {
				t.Errorf("second Close: %v", again)
			}
			close(release)
		})
	}
}

func TestCloseReportsFinish(t *testing.T) {
	broken := errors.New("fsync failed")
	l := start(Options{Node: "n1", Level: slog.LevelInfo, Queue: 8}, io.Discard, func() error { return broken })
	if err := l.Close(); !errors.Is(err, broken) {
		t.Errorf("Close: %v", err)
	}
}

func TestLinesAfterCloseAreCounted(t *testing.T) {
	var out bytes.Buffer
	l := inMemory(&out)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l.Logger().Info("late")
	if l.Dropped() != 1 || out.Len() != 0 {
		t.Errorf("dropped %d, wrote %q", l.Dropped(), out.String())
	}
}

// failingWriter fails while err is set.
type failingWriter struct {
	mu  sync.Mutex
	err error
	out bytes.Buffer
}

func (w *failingWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return 0, w.err
	}
	return w.out.Write(p)
}

func (w *failingWriter) set(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
}

func TestWriteErrorsAreCountedAndTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &failingWriter{err: errors.New("no space left")}
		l := start(Options{Node: "n1", Level: slog.LevelInfo, Queue: 8}, out, nil)
		for range 3 {
			l.Logger().Info("lost")
			synctest.Wait()
		}
		if l.Dropped() != 3 || l.WriteErrors() < 3 {
			t.Errorf("dropped %d, errors %d", l.Dropped(), l.WriteErrors())
		}
		out.set(nil)
		l.Logger().Info("kept")
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(out.out.String()), "\n")
		if len(lines) != 2 || mustParse(t, lines[0]).Msg != "kept" {
			t.Fatalf("lines: %q", lines)
		}
		ev := mustParse(t, lines[1])
		if ev.Attrs["dropped"] != int64(3) || ev.Attrs["error"] != "no space left" {
			t.Errorf("report: %s", lines[1])
		}
	})
}

// TestConcurrentCallers checks that a line is written once or counted as dropped,
// never torn, and that each caller's lines stay in order over all rotations.
func TestConcurrentCallers(t *testing.T) {
	const callers, each, keep = 8, 500, 300
	path := filepath.Join(t.TempDir(), "node.jsonl")
	var people bytes.Buffer
	l, err := Open(Options{Path: path, Node: "n1", MaxBytes: 4096, Keep: keep, Queue: 64, Also: &people})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			log := l.Logger().With("caller", c)
			for i := range each {
				log.Info("line", "i", i, "pad", strings.Repeat("p", i%50))
			}
		})
	}
	wg.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	next := make([]int64, callers)
	seen, told := uint64(0), int64(0)
	for _, line := range rotatedLines(t, path, keep) {
		ev := mustParse(t, line)
		if ev.Topic == TopicLog {
			told += ev.Attrs["dropped"].(int64)
			continue
		}
		c, i := ev.Attrs["caller"].(int64), ev.Attrs["i"].(int64)
		if i < next[c] {
			t.Fatalf("caller %d: line %d after line %d", c, i, next[c]-1)
		}
		next[c] = i + 1
		seen++
	}
	if seen+l.Dropped() != callers*each || uint64(told) != l.Dropped() {
		t.Errorf("%d lines + %d dropped (told of %d), logged %d", seen, l.Dropped(), told, callers*each)
	}
}

func TestCloseRacesWithCallers(t *testing.T) {
	for range 50 {
		var out bytes.Buffer
		l := inMemory(&out)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 20 {
					l.Logger().Info("line")
				}
			})
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		wrote := strings.Count(out.String(), `"msg":"line"`)
		if uint64(wrote)+l.Dropped() != 80 {
			t.Fatalf("%d written + %d dropped of 80", wrote, l.Dropped())
		}
	}
}
