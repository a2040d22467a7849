package eventlog

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// rotatedLines returns all lines of a rotated log, oldest first.
func rotatedLines(t *testing.T, path string, keep int) []string {
	t.Helper()
	var all []string
	for i := keep; i >= 0; i-- {
		name := (&rotatingFile{path: path}).name(i)
		if _, err := os.Stat(name); err == nil {
			all = append(all, readLines(t, name)...)
		}
	}
	return all
}

func openFile(t *testing.T, path string, max int64, keep int) *rotatingFile {
	t.Helper()
	f, err := openRotatingFile(path, max, keep)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func mustWrite(t *testing.T, f *rotatingFile, lines ...string) {
	t.Helper()
	p := []byte(strings.Join(lines, "\n") + "\n")
	if n, err := f.Write(p); err != nil || n != len(p) {
		t.Fatalf("wrote %d of %d: %v", n, len(p), err)
	}
}

func TestRotationLosesNoLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	const max, total, keep = 100, 500, 300
	f := openFile(t, path, max, keep)
	var want, batch []string
	for i := range total {
		batch = append(batch, fmt.Sprintf("line %d %s", i, strings.Repeat("x", i%40)))
		if i%7 == 6 || i == total-1 { // batches larger than a file, too
			mustWrite(t, f, batch...)
			want = append(want, batch...)
			batch = nil
		}
		if i%50 == 49 { // reopened, it goes on where it was
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			f = openFile(t, path, max, keep)
		}
	}
	got := rotatedLines(t, path, keep)
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%d lines, want %d", len(got), len(want))
	}
	for i := range keep {
		if info, err := os.Stat(f.name(i)); err == nil && info.Size() > max {
			t.Errorf("%s has %d bytes, more than %d", f.name(i), info.Size(), max)
		}
	}
}

func TestRotationKeepsTheYoungest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	f := openFile(t, path, 5, 2)
	for i := range 6 {
		mustWrite(t, f, fmt.Sprint("lin", i)) // 5 bytes with its newline
	}
	if got := fmt.Sprint(rotatedLines(t, path, 9)); got != "[lin3 lin4 lin5]" {
		t.Errorf("kept %s", got)
	}
}

func TestOversizedLineGetsItsOwnFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	f := openFile(t, path, 10, 5)
	long := strings.Repeat("x", 30)
	mustWrite(t, f, "a", long, "b")
	if got := fmt.Sprint(readLines(t, f.name(2)), readLines(t, f.name(1)), readLines(t, path)); got != fmt.Sprintf("[a] [%s] [b]", long) {
		t.Errorf("files: %s", got)
	}
}

func TestTornLineIsLeftBehind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("whole\n{\"t\":\"20"), 0o644); err != nil {
		t.Fatal(err)
	}
	f := openFile(t, path, 1000, 5)
	mustWrite(t, f, "next")
	if got := fmt.Sprintf("%q", readLines(t, path)); got != `["whole" "{\"t\":\"20" "next"]` {
		t.Errorf("lines: %s", got)
	}
}

// TestFailedRotationGoesOn blocks the rename by a folder in its way.
func TestFailedRotationGoesOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.MkdirAll(filepath.Join(path+".1", "in the way"), 0o755); err != nil {
		t.Fatal(err)
	}
	f := openFile(t, path, 10, 1)
	mustWrite(t, f, "123456789")
	mustWrite(t, f, "one", strings.Repeat("x", 50), "two") // must end, in the same file
	if got := len(readLines(t, path)); got != 4 {
		t.Errorf("%d lines, want 4", got)
	}
	if err := os.RemoveAll(path + ".1"); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, f, "next") // the way is free, and the file has grown by another max
	if got := fmt.Sprint(len(readLines(t, path+".1")), readLines(t, path)); got != "4 [next]" {
		t.Errorf("did not rotate later: %s", got)
	}
}
