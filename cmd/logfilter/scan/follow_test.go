package scan

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"raftkv/cmd/logfilter/event"
	"raftkv/cmd/logfilter/filter"
	"raftkv/cmd/logfilter/format"
	"raftkv/cmd/logfilter/source"
)

func detect(sample []byte) format.Parser { return format.Detect(sample, format.Options{}) }

// heard notes the events that Follow reports.
type heard struct {
	mu    sync.Mutex
	lines []string
	more  chan struct{} // has room for one, filled with each event
}

func (h *heard) Event(e *event.Event) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, string(e.Raw))
	select {
	case h.more <- struct{}{}:
	default:
	}
	return true
}

func (h *heard) Idle() bool { return true }

func (h *heard) text() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.lines, " ")
}

const patience = 30 * time.Second

// wait waits until what was heard is the text.
func (h *heard) wait(t *testing.T, text string) {
	t.Helper()
	for late := time.After(patience); h.text() != text; {
		select {
		case <-h.more:
		case <-late:
			t.Fatalf("heard %q\nwant  %q", h.text(), text)
		}
	}
}

// follow starts to follow dir and ends at the end of the test.
func follow(t *testing.T, dir string) *heard {
	t.Helper()
	h := &heard{more: make(chan struct{}, 1)}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- Follow(ctx, Following{
			Options: Options{Filter: &filter.Filter{Since: -1 << 63, Until: 1<<63 - 1}},
			Find:    func() ([]source.Stream, error) { return source.Find([]string{dir}) },
			Poll:    time.Millisecond, Hold: 2 * time.Millisecond,
		}, h)
	}()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return h
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestFollow(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "n1.log")
	appendTo(t, path+".1", "a\n")
	appendTo(t, path, "b\nc")
	h := follow(t, dir)
	h.wait(t, "a b") // c has no end yet
	appendTo(t, path, "c\n")
	h.wait(t, "a b cc")

	appendTo(t, filepath.Join(dir, "n2.log"), "new\n") // another log
	h.wait(t, "a b cc new")

	// Rotated twice at once, with a line each that was not read before, and one
	// without an end.
	appendTo(t, path, "d\ne")
	rename(t, path+".1", path+".3")
	rename(t, path, path+".2")
	appendTo(t, path+".1", "f\n")
	appendTo(t, path, "g\n")
	h.wait(t, "a b cc new d e f g")

	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	h.truncated(t, path)
	appendTo(t, path, "h\n")
	h.wait(t, "a b cc new d e f g h")
}

// truncated waits until Follow must have seen that path is empty: until it has
// reported a line of another log that was written later.
func (h *heard) truncated(t *testing.T, path string) {
	t.Helper()
	before := h.text()
	other := filepath.Join(filepath.Dir(path), "n2.log")
	for i := range 3 { // a poll may have passed path before, so one line is not enough
		appendTo(t, other, fmt.Sprintf("x%d\n", i))
		h.wait(t, before+fmt.Sprint(" x0 x1 x2"[:3*(i+1)]))
	}
	h.mu.Lock()
	h.lines = strings.Fields(before)
	h.mu.Unlock()
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// TestFollowRotation rotates while a writer writes as fast as it can: no line is
// lost, none comes twice.
func TestFollowRotation(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "n1.log")
	appendTo(t, path, "0\n")
	h := follow(t, dir)
	want := []string{"0"}
	h.wait(t, "0") // a folder that is listed while its files get other names may lack some
	for i := 1; i <= 200; i++ {
		if i%10 == 0 {
			for age := 40; age > 0; age-- {
				old := fmt.Sprintf("%s.%d", path, age)
				if _, err := os.Stat(old); err == nil {
					rename(t, old, fmt.Sprintf("%s.%d", path, age+1))
				}
			}
			rename(t, path, path+".1")
		}
		appendTo(t, path, fmt.Sprintln(i))
		want = append(want, fmt.Sprint(i))
	}
	h.wait(t, strings.Join(want, " "))
}
