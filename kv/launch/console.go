package launch

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// How much of a console is shown to people.
const (
	consoleLines = 10
	consoleBytes = 64 << 10
)

func (n *Node) console() string { return filepath.Join(n.Dir, "console.log") }

// Complaint returns the last lines that the node's last process wrote to its
// console; of a crash, the first: below them is only where its goroutines were.
func (n *Node) Complaint() string {
	f, err := os.Open(n.console())
	if err != nil {
		return "its console cannot be read: " + err.Error()
	}
	defer f.Close()
	b, err := io.ReadAll(io.NewSectionReader(f, n.ConsoleFrom, consoleBytes))
	if err != nil {
		return "its console cannot be read: " + err.Error()
	}
	text := strings.TrimSpace(string(b))
	if text == "" {
		return "it said nothing; see " + filepath.Join(n.Dir, "log", "node.jsonl")
	}
	lines := strings.Split(text, "\n")
	crash := slices.IndexFunc(lines, func(l string) bool {
		return strings.HasPrefix(l, "panic: ") || strings.HasPrefix(l, "fatal error: ")
	})
	if crash >= 0 {
		lines = lines[crash:]
		return strings.Join(lines[:min(len(lines), consoleLines)], "\n")
	}
	return strings.Join(lines[max(0, len(lines)-consoleLines):], "\n")
}
